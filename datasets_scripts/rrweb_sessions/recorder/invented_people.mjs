// The invented people and what they write. Nobody real: first and last names are drawn independently,
// addresses end in example.com, example.org or example.net, telephone numbers are in the 555-01xx range.

const words = (text) => text.trim().split(/\s+/);

export const FIRST_NAMES = words(`Ada Bo Chidi Dana Emeka Fatima Goran Hana Ines Jonas Kirti Liam Mei
  Noor Olga Pavel Quinn Rosa Sven Tariq Uma Viktor Wanda Ximena Yusuf Zoe`);
export const LAST_NAMES = words(`Abara Bergman Costa Diaz Eriksen Fofanah Gupta Haddad Ito Jensen
  Kowalski Lopez Moreau Nakamura Okafor Petrov Quist Rossi Silva Tanaka Ueda Vargas Weber Xu Yilmaz
  Zhang`);
export const WORDS = words(`project meeting invoice weekly report urgent order garden coffee ticket
  budget release draft summary question refund delivery travel notes broken password account quick
  sample color window battery review schedule family music recipe training`);
export const CITIES = words('Porto Lyon Osaka Lagos Bergen Austin');
export const TODOS = ['Buy milk', 'Call the dentist', 'Write weekly report', 'Pay rent',
  'Book train tickets', 'Fix bike', 'Water plants', 'Renew passport', 'Clean kitchen',
  'Email Ines about the budget', 'Prepare slides', 'Return library books', 'Plan birthday party',
  'Back up laptop'];
export const QUERIES = ['json', 'datetime', 'regular expression', 'async', 'list', 'subprocess',
  'decorator', 'queryset', 'migration', 'form validation', 'template tag', 'cache', 'logging', 'file',
  'test', 'class', 'email', 'url', 'unicode', 'thread'];
export const TABLE_FILTERS = ['London', 'Tokyo', 'engineer', 'Smith', '2011', 'Firefox', 'a',
  'New York', 'Win 95', 'director'];
export const CODE_LINES = ['def total(items):', 'for (let i = 0; i < n; i++) {', 'return x * 2;',
  'const a = [1, 2, 3];', 'if (user.isAdmin) {', 'print("hello")',
  'SELECT name FROM users WHERE id = 7;', '// TODO: handle empty input', 'while not done:',
  'let sum = a.reduce((p, c) => p + c, 0);'];

// The two halves are separate because the plan draws other things between them.
export const drawName = (random) => ({
  first: random.pick(FIRST_NAMES), last: random.pick(LAST_NAMES),
});

export function drawAccount(random, { first, last }) {
  return {
    email: `${first}.${last}`.toLowerCase() + '@example.' + random.pick(['com', 'org', 'net']),
    password: random.pick(WORDS) + random.integer(10, 99) + '!',
    phone: '+1 555 01' + random.integer(10, 99),
  };
}
