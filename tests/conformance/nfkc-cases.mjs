// Prints, as hexadecimal UTF-16 and one case a line, what this Node's String.normalize('NFKC') makes of every assigned
// character that it changes, and of random runs of the characters that interact.
const units = (s) => [...Array(s.length).keys()].map((i) => s.charCodeAt(i).toString(16).padStart(4, '0')).join('');
const interesting = [];
const unassigned = [];
for (let c = 0; c <= 0x10ffff; c++) {
  if (c >= 0xd800 && c <= 0xdfff) continue;
  const s = String.fromCodePoint(c);
  if (/\p{Cn}/u.test(s)) {
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
  // Hangul would else crowd out the rest; a few unpaired surrogates must pass through.
  for (let k = 2 + next(8); k > 0; k--) {
    const kind = next(20);
    if (kind === 0) s += String.fromCharCode(0xd800 + next(0x800));
    else if (kind < 4) s += String.fromCharCode(0x1100 + next(0x100));
    else if (kind < 8) s += 'aAeoouEKs'[next(9)];
    else if (kind < 14) s += String.fromCodePoint(0x300 + next(0x70));
    else s += interesting[next(interesting.length)];
  }
  console.log(`${units(s)} ${units(s.normalize('NFKC'))}`);
}
for (const [first, last] of unassigned) console.log(`unassigned ${first.toString(16)} ${last.toString(16)}`);
