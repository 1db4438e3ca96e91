// Prints what this Node's String.normalize('NFKC') makes of every character that it changes, and of random runs of the
// characters that interact: one case on each line, in hexadecimal UTF-16. Characters that one side may not know are
// listed as unassigned.

// All characters that Unicode 15, 16 and 17 added and that take part in normalization: an older ICU does not know them.
const newer = [
  [0x897, 0x897], [0xcf3, 0xcf3], [0xece, 0xece], [0x1acf, 0x1aeb], [0xa7f1, 0xa7f1], [0x105c9, 0x105e4], [0x10d69, 0x10d6d],
  [0x10efa, 0x10eff], [0x11241, 0x11241], [0x11383, 0x113e2], [0x11b60, 0x11b67], [0x11f00, 0x11f5a], [0x13440, 0x13455],
  [0x1611e, 0x1612f], [0x16d68, 0x16d6a], [0x1ccd6, 0x1ccf9], [0x1e030, 0x1e08f], [0x1e4ec, 0x1e6f5],
];
const units = (s) => [...Array(s.length).keys()].map((i) => s.charCodeAt(i).toString(16).padStart(4, '0')).join('');
const interesting = [];
const unassigned = [];
for (let c = 0; c <= 0x10ffff; c++) {
  if (c >= 0xd800 && c <= 0xdfff) continue;
  const s = String.fromCodePoint(c);
  if (/\p{Cn}/u.test(s) || newer.some(([first, last]) => first <= c && c <= last)) {
    if (unassigned.at(-1)?.[1] === c - 1) unassigned.at(-1)[1] = c;
    else unassigned.push([c, c]);
    continue;
  }
  const n = s.normalize('NFKC');
  if (n !== s) console.log(`${units(s)} ${units(n)}`);
  if (s.normalize('NFKD') !== s || /\p{M}/u.test(s) || (c >= 0x1100 && c <= 0x11ff)) interesting.push(s);
}
let state = 12345;
const next = (n) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % 0x7fffffff % n;
for (let i = 0; i < 50000; i++) {
  let s = '';
  // Hangul would otherwise crowd out the rest. No surrogates: JavaScript passes unpaired ones on to the encoder.
  for (let k = 2 + next(8); k > 0; k--) {
    const kind = next(20);
    if (kind < 4) s += String.fromCharCode(0x1100 + next(0x100));
    else if (kind < 8) s += 'aAeoouEKs'[next(9)];
    else if (kind < 14) s += String.fromCodePoint(0x300 + next(0x70));
    else s += interesting[next(interesting.length)];
  }
  console.log(`${units(s)} ${units(s.normalize('NFKC'))}`);
}
for (const [first, last] of unassigned) console.log(`unassigned ${first.toString(16)} ${last.toString(16)}`);
