// Seeded randomness: the only source of chance in a recording, so that a plan can be drawn again.

// Returns a function that gives uniform numbers in [0, 1), the same ones for the same 32-bit seed
// (mulberry32).
function uniformOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export class SeededRandom {
  constructor(seed) {
    this.uniform = uniformOf(seed);
  }

  // A whole number from low to high, both included.
  integer(low, high) {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  chance(probability) {
    return this.uniform() < probability;
  }

  pick(items) {
    return items[Math.floor(this.uniform() * items.length)];
  }

  // A standard normal number (Box-Muller).
  normal() {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(6.283185307 * this.uniform());
  }

  // Log-normal: human pauses and key intervals are long-tailed. `spread` is the sigma of the logarithm.
  logNormal(median, spread = 0.6) {
    return median * Math.exp(spread * this.normal());
  }
}
