import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";

/** Sleeps, and ends immediately on SIGTERM. */
export const SLEEP = "trap 'exit 0' TERM; sleep 100000 & wait";

/** A container that runs a script in the suite's image. */
export function sh(name: string, script: string, more: Partial<Container> = {}): Container {
  return { name, image: "r2k.local/busybox:1", command: ["sh", "-c", script], ...more };
}

/** A pod that does not let itself be waited for. */
export function spec(containers: Container[], more: Partial<Pod["spec"]> = {}): Pod["spec"] {
  return { terminationGracePeriodSeconds: 2, containers, ...more };
}
