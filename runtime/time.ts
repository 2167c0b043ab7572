/** CRI's times: nanoseconds since 1970. */
export const nanoseconds = (time_ms: number): bigint => BigInt(Math.round(time_ms)) * 1_000_000n;
