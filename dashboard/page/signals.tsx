import { useRef } from "preact/hooks";
import { text } from "./api.ts";
import Graphs, { type GraphOf } from "./graph.tsx";

/** Sums of the API server's counters; watches, which last long, are left out of the latency. */
type Totals = { s: number; requests: number; failed: number; buckets: Map<number, number> };

const SAMPLE = /^(apiserver_[a-z_]+)\{(.*)\} (\S+)$/gm;

function totalsOf(page: string, s: number): Totals & { running: number } {
  const totals = { s, requests: 0, failed: 0, running: 0, buckets: new Map<number, number>() };
  for (const [, name, labels = "", digits] of page.matchAll(SAMPLE)) {
    const value = Number(digits);
    if (name === "apiserver_current_inflight_requests") totals.running += value;
    if (name === "apiserver_request_total") {
      totals.requests += value;
      if (/code="5/.test(labels)) totals.failed += value;
    }
    if (name !== "apiserver_request_duration_seconds_bucket") continue;
    if (/verb="(WATCH|CONNECT)"/.test(labels)) continue;
    const upTo = Number(/le="([^"]+)"/.exec(labels)?.[1]?.replace("+Inf", "Infinity"));
    totals.buckets.set(upTo, (totals.buckets.get(upTo) ?? 0) + value);
  }
  return totals;
}

/** The bucket's bound, in ms, that so much of the requests between two readings did not exceed. */
function quantileBetween(before: Totals, now: Totals, share: number): number | null {
  const counts = [...now.buckets]
    .sort(([a], [b]) => a - b)
    .map(([upTo, count]) => [upTo, count - (before.buckets.get(upTo) ?? 0)] as const);
  const all = counts.at(-1)?.[1] ?? 0;
  const [found = Infinity] = (all > 0 && counts.find(([, count]) => count >= share * all)) || [];
  return Number.isFinite(found) ? found * 1_000 : null;
}

const GRAPHS: readonly GraphOf[] = [
  { title: "Traffic and errors", labels: ["requests", "failed"], unit: "/s" },
  { title: "Latency, at most", labels: ["half", "99 of 100"], unit: " ms" },
  { title: "Saturation", labels: ["requests that run"], unit: "" },
];

export default function Signals() {
  const last = useRef<Totals>(undefined);
  const ask = async (now_s: number) => {
    const [before, now] = [last.current, totalsOf(await text("/metrics"), now_s)];
    last.current = now;
    if (!before) return [null, null, null, null, now.running];
    const rate = (of: "requests" | "failed") => (now[of] - before[of]) / (now.s - before.s);
    const latencies = [0.5, 0.99].map((share) => quantileBetween(before, now, share));
    return [rate("requests"), rate("failed"), ...latencies, now.running];
  };
  return (
    <Graphs label="Signals" of={GRAPHS} ask={ask}>
      From its /metrics, since this view was opened; without watches.
    </Graphs>
  );
}
