/** A call on a timeline that counts calls and replies. */
type Call = { readonly client: number; readonly began: number; readonly ended: number };

const SHOWN_BEFORE = 8;
const STUCK_MAX = 6;
const WIDTH = 40;

/**
 * Draws calls as bars, a line each: the last of those that have an order, then those that cannot
 * follow, marked with ✗.
 */
export function drawHistory<C extends Call>(
  before: readonly C[],
  stuck: readonly C[],
  describe: (call: C) => string,
): string[] {
  const fitting = before.slice(-SHOWN_BEFORE);
  const odd = stuck.slice(0, STUCK_MAX);
  const shown = [...fitting, ...odd];
  const from = Math.min(...shown.map(({ began }) => began));
  const to = Math.max(...shown.map(({ ended }) => ended));
  const scale = (at: number) => Math.round(((at - from) / Math.max(1, to - from)) * (WIDTH - 1));
  return shown.map((call) => {
    const [left, right] = [scale(call.began), Math.max(scale(call.ended), scale(call.began) + 1)];
    const bar = `${" ".repeat(left)}├${"─".repeat(right - left - 1)}┤`.padEnd(WIDTH + 1);
    const mark = odd.includes(call) ? "✗" : " ";
    return `  ${mark} client ${call.client} ${bar} ${describe(call)}`;
  });
}
