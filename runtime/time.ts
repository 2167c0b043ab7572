/** CRI's times: nanoseconds since 1970. */
export function nanoseconds(time_ms: number): bigint {
  return BigInt(Math.round(time_ms)) * 1_000_000n;
}
