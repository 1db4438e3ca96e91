// Prints src/Watchword.Server/Passwords/Nfkc.txt from the Unicode data of this Node:
//   node tests/conformance/nfkc-table.mjs > src/Watchword.Server/Passwords/Nfkc.txt
// Node exposes normalization but not combining classes; those show in the order that NFD gives two marks.

// One mark of each canonical combining class; the set of classes in use has been stable since Unicode 3.1.
const classes = {
  1: 0x334, 6: 0x16ff0, 7: 0x93c, 8: 0x3099, 9: 0x94d, 10: 0x5b0, 11: 0x5b1, 12: 0x5b2, 13: 0x5b3, 14: 0x5b4,
  15: 0x5b5, 16: 0x5b6, 17: 0x5b7, 18: 0x5b8, 19: 0x5b9, 20: 0x5bb, 21: 0x5bc, 22: 0x5bd, 23: 0x5bf, 24: 0x5c1,
  25: 0x5c2, 26: 0xfb1e, 27: 0x64b, 28: 0x64c, 29: 0x64d, 30: 0x618, 31: 0x619, 32: 0x61a, 33: 0x651, 34: 0x652,
  35: 0x670, 36: 0x711, 84: 0xc55, 91: 0xc56, 103: 0xe38, 107: 0xe48, 118: 0xeb8, 122: 0xec8, 129: 0xf71,
  130: 0xf72, 132: 0xf74, 202: 0x321, 214: 0x1dce, 216: 0x31b, 218: 0x1dfa, 220: 0x316, 222: 0x59a, 224: 0x302e,
  226: 0x1d16d, 228: 0x5ae, 230: 0x300, 232: 0x315, 233: 0x35c, 234: 0x35d, 240: 0x345,
};
const isHangul = (c) => c >= 0xac00 && c <= 0xd7a3;
const hex = (c) => c.toString(16).toUpperCase().padStart(4, '0');
const text = (...cs) => String.fromCodePoint(...cs);
const points = (s) => [...s].map((c) => c.codePointAt(0));

const swaps = (a, b) => text(a, b).normalize('NFD') === text(b, a);

function combiningClass(c) {
  if (!/\p{M}/u.test(text(c)) || text(c).normalize('NFD') !== text(c)) return 0;
  const at = Object.entries(classes).find(([, mark]) => mark === c);
  if (at) return Number(at[0]);
  const below = Object.entries(classes).filter(([, mark]) => swaps(c, mark)).map(([k]) => Number(k));
  const above = Object.entries(classes).filter(([, mark]) => swaps(mark, c)).map(([k]) => Number(k));
  if (below.length === 0 && above.length === 0) return 0;
  const equal = Object.keys(classes).map(Number).filter((k) => !below.includes(k) && !above.includes(k));
  if (equal.length !== 1) throw new Error(`U+${hex(c)} has a combining class that is new to this script`);
  return equal[0];
}

const lines = [];
for (let c = 0x80; c <= 0x10ffff; c++) {
  if ((c >= 0xd800 && c <= 0xdfff) || isHangul(c)) continue;
  const s = text(c);
  const whole = s.normalize('NFKD');
  if (whole !== s) lines.push(`D ${hex(c)} ${points(whole).map(hex).join(' ')}`);
  const parts = points(s.normalize('NFD'));
  if (parts.length > 1 && s.normalize('NFC') === s) {
    const first = points(text(...parts.slice(0, -1)).normalize('NFC'));
    const last = parts.at(-1);
    if (first.length !== 1 || text(first[0], last).normalize('NFC') !== s) throw new Error(`U+${hex(c)} composes oddly`);
    lines.push(`P ${hex(c)} ${hex(first[0])} ${hex(last)}`);
  }
  const k = combiningClass(c);
  if (k) lines.push(`C ${hex(c)} ${k}`);
}
console.log(`# Normalization form NFKC, from the Unicode Character Database ${process.versions.unicode}.
# © Unicode, Inc., under the Unicode License v3. Written by tests/conformance/nfkc-table.mjs.
# D: full compatibility decomposition. P: the pair that composes to a character. C: combining class, in decimal.`);
console.log(lines.join('\n'));
