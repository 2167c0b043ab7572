import type { Probe } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import { delay } from "@raft2kube/std/wait.ts";
import {
  PROBE_PLACES,
  PROBE_TURN_COMMAND_MS,
  PROBE_TURN_MS,
  PROBE_TURN_TLS_MS,
} from "../limits.ts";

/**
 * Bounds how many probes of a node start in a second, in rotation of the namespaces: a pod may have
 * 1,500 each second. One that waits for its answer keeps no place from others.
 */
export class ProbeTurns {
  readonly #clock: Clock;
  readonly #turns = new FairTurns(PROBE_PLACES);
  readonly #report: (thrown?: unknown) => void;

  /**
   * `report` is called with an error when a probe waited longer than its period, and without one
   * when none waits.
   */
  constructor(clock: Clock, report = failureLog(logger("kubelet-probes"), "probes are late")) {
    this.#clock = clock;
    this.#report = report;
  }

  /** Resolves when a probe of this namespace may start. */
  next(namespace: string, turn_ms: number, period_ms: number): Promise<void> {
    const asked_ms = this.#clock.monotonic();
    return new Promise((start) => {
      let waits = false;
      void this.#turns.run(namespace, async () => {
        start();
        if (this.#clock.monotonic() - asked_ms > period_ms) this.#report(new ProbesLateError());
        else if (!waits) this.#report();
        await delay(this.#clock, turn_ms);
      });
      waits = true;
    });
  }
}

/** Returns how long the start of a probe keeps its place from others. */
export function turnOf({ exec, grpc, httpGet }: Probe): number {
  if (exec) return PROBE_TURN_COMMAND_MS;
  return grpc || httpGet?.scheme === "HTTPS" ? PROBE_TURN_TLS_MS : PROBE_TURN_MS;
}

class ProbesLateError extends CodedError {
  constructor() {
    const [plain, tls, commands] = [PROBE_TURN_MS, PROBE_TURN_TLS_MS, PROBE_TURN_COMMAND_MS].map(
      (turn_ms) => (PROBE_PLACES * 1_000) / turn_ms,
    );
    super(
      "PROBES_LATE",
      "one waited longer than its period: of this node's pods start in a second " +
        `${plain} probes, of HTTPS and gRPC ${tls}, of commands ${commands}`,
      { remedy: "give the pods' probes longer periods, or replace commands by HTTP" },
    );
  }
}
