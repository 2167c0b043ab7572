import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Runtime } from "@raft2kube/kubelet/cri/runtime.ts";
import { BackOffs } from "@raft2kube/kubelet/pods/back-off.ts";
import { PodProbes } from "@raft2kube/kubelet/probes/pod-probes.ts";
import { ProbeMetrics } from "@raft2kube/kubelet/probes/probe-metrics.ts";
import { ProbeTurns } from "@raft2kube/kubelet/probes/probe-turns.ts";
import { advance, NEW_PROBE } from "@raft2kube/kubelet/probes/probe-verdict.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { check } from "../check.ts";
import { clauses, steps, text } from "../clauses.ts";
import { judge } from "../judge.ts";
import { mustEqual } from "../must.ts";

/** Outcomes (success, failure, error), thresholds, and what is known after each: + - or ?. */
const LINES: readonly (readonly [string, object, string])[] = [
  ["s", {}, "+"],
  ["sfffs", {}, "+++-+"],
  ["sffsff", {}, "++++++"],
  ["ff", {}, "??"],
  ["fff", {}, "??-"],
  ["ssfss", { successThreshold: 2, failureThreshold: 1 }, "?+--+"],
  ["sfefef", {}, "+++++-"],
];

check("probes: a threshold of equal outcomes in a row", () => {
  const results = { s: "success", f: "failure", e: "error" } as const;
  for (const [outcomes, probe, expected] of LINES) {
    let state = NEW_PROBE;
    let line = "";
    for (const letter of outcomes as Iterable<"s" | "f" | "e">) {
      const given = { ...state };
      const next = advance(given, { result: results[letter], output: "" }, probe);
      mustEqual(given, state, {
        when: `outcomes ${outcomes}: the state that advance was given, afterwards`,
        why: "all probes begin with the same NEW_PROBE: one's failures would count for each other",
      });
      state = next;
      line += state.passing === undefined ? "?" : state.passing ? "+" : "-";
    }
    judge(line === expected, {
      when: `outcomes ${outcomes}, thresholds ${JSON.stringify(probe)} (default: 1 and 3)`,
      expected,
      happened: line,
      why: "one slow answer must not restart a container; errors of the kubelet count for nothing",
    });
  }
});

const PROBE = { exec: { command: ["check"] }, periodSeconds: 1 };
const RUNNING = { id: "a-0", name: "a", startedAt_ms: 0 } as Parameters<PodProbes["health"]>[0];
const NEIGHBOUR = { ...RUNNING, id: "b-0", name: "b" };

/** A pod with one container, whose commands the check answers. */
class ProbedPod {
  readonly probes: PodProbes;
  readonly #clock = new ManualClock();
  exitCode = 0;

  constructor(container: Partial<Container>, was: "ready" | "new") {
    const spec = { containers: [{ name: "a", ...container }] };
    const pod = { metadata: { name: "p", uid: "u" }, spec } as Pod;
    const execSync = () => {
      const [stdout, stderr] = [Buffer.alloc(0), Buffer.alloc(0)];
      return Promise.resolve({ stdout, stderr, exitCode: this.exitCode });
    };
    this.probes = new PodProbes({
      clock: this.#clock,
      runtime: { runtime: { execSync } } as unknown as Runtime,
      events: { record: () => undefined },
      turns: new ProbeTurns(this.#clock),
      metrics: new ProbeMetrics(),
      pod: () => pod,
      podIP: () => "10.1.0.2",
      changed: () => undefined,
      wasReady: () => was === "ready",
      wasStarted: () => was === "ready",
    });
    this.probes.sync([RUNNING]);
  }

  /** Lets the probes run once with commands that end with this code; returns what is known. */
  async after(exitCode: number | undefined): Promise<string> {
    if (exitCode !== undefined) {
      this.exitCode = exitCode;
      this.#clock.advance(1_000);
      for (let turn = 0; turn < 9; turn++) await new Promise(setImmediate);
    }
    return this.known(RUNNING);
  }

  /** Returns what is known of a container. */
  known(observed: typeof RUNNING): string {
    const { started, failed = "none" } = this.probes.health(observed);
    return `started ${started}, failed ${failed}, ready ${this.probes.ready(observed)}`;
  }
}

/** Probes of a container, each with its threshold of failures. */
function probesOf(given: unknown): Partial<Container> {
  const probes = Object.entries(given as Record<string, number>);
  return Object.fromEntries(
    probes.map(([kind, failureThreshold]) => [kind, { ...PROBE, failureThreshold }]),
  );
}

const { known: KNOWN } = clauses(import.meta, {
  known: {
    name: text,
    container: probesOf,
    was: (value) => text(value) as "ready" | "new",
    outcomes: steps,
  },
});

check("probes: started, failed, ready", async () => {
  for (const { name, container, was, outcomes } of KNOWN) {
    const pod = new ProbedPod(container, was);
    const before: string[] = [];
    for (const { event, notes } of outcomes) {
      before.push(event);
      const [exitCode, expected] = [/\d+/.exec(event)?.[0], notes.join(", ")];
      const known = await pod.after(exitCode === undefined ? undefined : Number(exitCode));
      const healthOf = (line: string) => line.slice(0, line.indexOf(", ready"));
      mustEqual(known, expected, {
        body: healthOf(known) === healthOf(expected) ? "ready" : "health",
        when: `${name}: ${before.join(", then ")}`,
        why:
          "liveness ends a container, readiness takes its endpoint away, startup postpones both; " +
          "a restart of the kubelet must not make a Service's pods unready",
      });
      mustEqual(pod.known(NEIGHBOUR), "started true, failed none, ready true", {
        when: `${name}: ${before.join(", then ")}; the other container, b, which has no probes`,
        why: "one container's failed probe would kill each other one of the pod",
      });
    }
    pod.probes.close();
  }
});

/** Back-off counts in wall-clock time, which starts long before the kubelet does. */
const NOW_MS = Date.UTC(2026, 0, 1);

function newBackOffs() {
  const clock = new ManualClock(NOW_MS);
  return { clock, backOffs: new BackOffs({ clock, first_ms: 10_000, most_ms: 300_000 }) };
}

check("back-off: what is left of a delay counts from the container's end", () => {
  const { clock, backOffs } = newBackOffs();
  const failed_ms = clock.now();
  mustEqual(backOffs.remaining("a", failed_ms), 0, {
    when: "the first failure: milliseconds left",
    why: "a container that ends once is started again at once",
  });
  backOffs.grow("a", failed_ms);
  for (const after_s of [0, 4, 6, 5]) {
    clock.advance(after_s * 1_000);
    const past_ms = clock.now() - failed_ms;
    mustEqual(backOffs.remaining("a", failed_ms), Math.max(0, 10_000 - past_ms), {
      when: `a delay of 10 s, ${past_ms / 1_000} s after the end: milliseconds left`,
      why: "the delay counts from the container's end, in wall-clock time",
    });
  }
  mustEqual(backOffs.remaining("b", clock.now()), 0, {
    when: "another container's",
    why: "one container that crashes must not hold up its neighbours",
  });
});

check("back-off: 10 s, doubled up to 300, forgotten after ten minutes", () => {
  const { clock, backOffs } = newBackOffs();
  const why = "a container that fails at once would be started thousands of times an hour";
  const delays = [10, 20, 40, 80, 160, 300, 300];
  for (const [i, delay_s] of delays.entries()) {
    const failed_ms = clock.now();
    backOffs.grow("a", failed_ms);
    const left_ms = backOffs.remaining("a", failed_ms);
    mustEqual(left_ms, delay_s * 1_000, {
      when: `failure ${i + 2}: milliseconds to wait`,
      why,
      body: "grow",
    });
    clock.advance(delay_s * 1_000);
  }
  const failed_ms = clock.now();
  clock.advance(300_000);
  backOffs.grow("a", failed_ms);
  clock.advance(400_000);
  mustEqual(backOffs.remaining("a", clock.now()), 300_000, {
    when: "a failure 400 s after the start that followed a delay of 300 s: milliseconds to wait",
    why: "the ten minutes count from the last start: while it waits it does not run well",
    body: "grow",
  });
  const late_ms = clock.now();
  clock.advance(250_000);
  mustEqual(backOffs.remaining("a", late_ms), 50_000, {
    when: "the same failure, 250 s later: milliseconds left",
    why: "the ten minutes end with the failure: a delay that has begun is waited for to its end",
    body: "remaining",
  });
  clock.advance(600_001);
  mustEqual(backOffs.remaining("a", clock.now()), 0, {
    when: "a failure after ten minutes without one",
    why: "the container has run well for long: it is not crashing",
    body: "remaining",
  });
  backOffs.grow("a", clock.now());
  mustEqual(backOffs.remaining("a", clock.now()), 10_000, {
    when: "the one after that",
    why,
    body: "grow",
  });
});
