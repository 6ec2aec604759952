// SPDX-License-Identifier: BSD-3-Clause

const units: Record<string, number> = {
  Ei: 2 ** 60,
  Pi: 2 ** 50,
  Ti: 2 ** 40,
  Gi: 2 ** 30,
  Mi: 2 ** 20,
  Ki: 2 ** 10,
  E: 1e18,
  P: 1e15,
  T: 1e12,
  G: 1e9,
  M: 1e6,
  k: 1e3,
  m: 1e-3,
  '': 1
};

/** The number that a quantity stands for; NaN when it is none. */
export function quantityValue(quantity: string): number {
  const found = /^([0-9.]+)([EPTGMk]i?|Ki|m|)$/.exec(quantity);
  return found ? Number(found[1]) * (units[found[2] ?? ''] ?? NaN) : NaN;
}

/** Half of an amount of memory, in the largest binary unit that needs no fraction. */
export function halfOfMemory(quantity: string): string | undefined {
  const half = Math.floor(quantityValue(quantity) / 2);
  if (!Number.isFinite(half) || half <= 0) {
    return undefined;
  }
  const unit = ['Gi', 'Mi', 'Ki'].find(name => half % (units[name] ?? 1) === 0);
  return unit ? `${String(half / (units[unit] ?? 1))}${unit}` : String(half);
}
