"""Labels of whole sessions: fine-tuning with sites held out, beside a frozen probe and baselines in one table."""
