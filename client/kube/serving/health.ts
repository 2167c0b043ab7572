import type { HealthMetrics } from "@raft2kube/observe/health-metrics.ts";
import { messageOf } from "@raft2kube/std/errors.ts";

/** A page of health: its status and text. */
export type HealthPage = { readonly status: number; readonly body: string };

/** Pages without authorization; a single check requires the right to `get` its path. */
export const HEALTH_PAGES: readonly string[] = ["/healthz", "/livez", "/readyz"];

/** The health checks, in order; a check throws when it fails. */
export type HealthChecks = () => ReadonlyMap<string, () => void>;

/**
 * Serves `/healthz`, with `?verbose` a line for each check and with `?exclude=NAME` without some,
 * and each check by itself as `/healthz/NAME`; `/livez` and `/readyz` are the same. Upstream's
 * kube-controller-manager has a check for each controller that it runs. Undefined for other paths.
 */
export function healthPage(
  path: string,
  query: string,
  checks: HealthChecks,
): HealthPage | undefined {
  const page = HEALTH_PAGES.find((each) => path === each || path.startsWith(`${each}/`));
  if (page === undefined) return undefined;
  const all = checks();
  const searchParams = new URLSearchParams(query);
  if (path !== page) {
    const check = all.get(path.slice(page.length + 1));
    if (check === undefined) return { status: 404, body: "404 page not found\n" };
    const why = failureOf(check);
    return why === undefined
      ? { status: 200, body: "ok" }
      : { status: 500, body: `internal server error: ${why}\n` };
  }
  const excluded = new Set(searchParams.getAll("exclude"));
  let failed = false;
  const lines = [...all].map(([name, check]) => {
    if (excluded.has(name)) return `[+]${name} excluded: ok`;
    if (failureOf(check) === undefined) return `[+]${name} ok`;
    failed = true;
    return `[-]${name} failed: reason withheld`;
  });
  const what = page.slice(1);
  if (failed) return { status: 500, body: [...lines, `${what} check failed`, ""].join("\n") };
  if (!searchParams.has("verbose")) return { status: 200, body: "ok" };
  return { status: 200, body: [...lines, `${what} check passed`, ""].join("\n") };
}

/** Runs all checks for `/metrics/slis`. */
export function measureHealth(checks: HealthChecks, metrics: HealthMetrics): void {
  for (const page of HEALTH_PAGES) {
    for (const [name, check] of checks()) {
      metrics.checked(page.slice(1), name, failureOf(check) === undefined);
    }
  }
}

function failureOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}
