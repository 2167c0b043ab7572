/** Sizes of a cluster, which overlap so that one node more or less does not change all nodes. */
const STEPS: readonly { min: number; max: number; ttl_s: number }[] = [
  { min: 0, max: 100, ttl_s: 0 },
  { min: 90, max: 500, ttl_s: 15 },
  { min: 450, max: 1_000, ttl_s: 30 },
  { min: 900, max: 2_000, ttl_s: 60 },
  { min: 1_800, max: Infinity, ttl_s: 300 },
];

/**
 * How long kubelets of a cluster of `nodes` nodes may keep Secrets and ConfigMaps, in seconds.
 * `before` is the present value: it stays while the size is within its step (upstream's table).
 */
export function nodeTtl_s(nodes: number, before: number | undefined): number {
  const now = STEPS.find(({ ttl_s }) => ttl_s === before);
  if (now && nodes >= now.min && nodes <= now.max) return now.ttl_s;
  const rising = (now?.max ?? 0) < nodes;
  const fits = STEPS.filter(({ min, max }) => nodes >= min && nodes <= max);
  return (rising ? fits[0] : fits.at(-1))?.ttl_s ?? 0;
}
