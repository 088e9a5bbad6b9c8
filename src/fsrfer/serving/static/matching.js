// Which face of a shrunken photo is which of the whole one, and what became of its expression. Nothing here touches the page.
const LEAST_OVERLAP = 0.3;

// kept, changed, small (found, but too small to tell), lost (not found)
export const FATES = ["kept", "changed", "small", "lost"];

// { face, now or null, fate } for each face of the whole photo that was large enough, in its order.
export function matched(whole, shrunken, scale) {
  const pairs = [];
  whole.forEach((face, index) => shrunken.forEach((now, other) => {
    const shared = overlap(face.box, now.box.map((end) => end / scale));
    if (shared >= LEAST_OVERLAP) pairs.push([shared, index, other]);
  }));
  pairs.sort((a, b) => b[0] - a[0]);
  const [partner, taken] = [new Map(), new Set()];
  for (const [, index, other] of pairs) {
    if (partner.has(index) || taken.has(other)) continue;
    partner.set(index, shrunken[other]);
    taken.add(other);
  }
  return whole.map((face, index) => ({ face, now: partner.get(index) || null })).filter(({ face }) => !face.too_small)
    .map((pair) => ({ ...pair, fate: fateOf(pair) }));
}

function fateOf({ face, now }) {
  if (!now) return "lost";
  if (now.too_small) return "small";
  return now.expression === face.expression ? "kept" : "changed";
}

export function counted(pairs) {
  return Object.fromEntries(FATES.map((fate) => [fate, pairs.filter((pair) => pair.fate === fate).length]));
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.floor(sorted.length / 2)] : null;
}

function overlap([ax1, ay1, ax2, ay2], [bx1, by1, bx2, by2]) {
  const wide = Math.min(ax2, bx2) - Math.max(ax1, bx1);
  const high = Math.min(ay2, by2) - Math.max(ay1, by1);
  if (wide <= 0 || high <= 0) return 0;
  const shared = wide * high;
  return shared / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - shared);
}
