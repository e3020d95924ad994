const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** Decimal units, as budgets are counted: `1.83 GB` is 1.83·10⁹ bytes. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit += 1
  }
  const digits = unit < 2 ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0
  return `${value.toFixed(digits)} ${UNITS[unit]}`
}
