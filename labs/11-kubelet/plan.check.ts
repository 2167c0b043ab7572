import type { Container, RestartPolicy } from "@raft2kube/api/gen/core/v1.ts";
import { containerHash } from "@raft2kube/kubelet/containers/container-hash.ts";
import type { ObservedContainer, ObservedPod } from "@raft2kube/kubelet/cri/observed.ts";
import { restartsAfter } from "@raft2kube/kubelet/pods/restart-policy.ts";
import { killOfRunning, type PlanInput } from "@raft2kube/kubelet/sync/plan-actions.ts";
import {
  containerOf,
  Node,
  podOf,
  type Spec,
  syncLoopTranscripts,
} from "@raft2kube/kubelet/testing/sync-loop.ts";
import { pick, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { check, checkOptions } from "../check.ts";
import { clauses, flag, number, optional, text } from "../clauses.ts";
import { judge } from "../judge.ts";
import { mustEqual } from "../must.ts";
import { bodyOf } from "./body.ts";

const NOTHING: ObservedPod = { uid: "u", name: "p", namespace: "n", sandboxes: [], containers: [] };

const policy = (value: unknown) => text(value) as RestartPolicy;
const { restarts, kills } = clauses(import.meta, {
  restarts: { policy: optional(policy), exitCode: number, expected: flag, why: text },
  kills: {
    policy,
    isSidecar: flag,
    failed: optional((value) => text(value) as "Liveness" | "Startup"),
    expected: text,
  },
});

check("restart policy: which exit codes start a container again", () => {
  for (const { policy, exitCode, expected, why } of restarts) {
    const pod = podOf({});
    if (policy === undefined) delete pod.spec.restartPolicy;
    else pod.spec.restartPolicy = policy;
    const happened = restartsAfter(pod, containerOf("a"), exitCode);
    judge(happened === expected, {
      when: `restartPolicy ${policy ?? "not given"}, exit code ${exitCode}`,
      expected: expected ? "started again" : "not started again",
      happened: happened ? "started again" : "not started again",
      why,
    });
  }
});

const TRANSCRIPTS = syncLoopTranscripts();
const nodeOf = (spec: Spec) => new Node(podOf(spec), spec.slow, (fault) => judge(false, fault));

for (const { title, why, spec, steps } of TRANSCRIPTS) {
  check(title, () => {
    const node = nodeOf(spec);
    const before: string[] = [];
    for (const { event, notes } of steps) {
      if (event !== "begin") node.happen(event);
      const done = node.settle();
      const [happened, expected] = [done, notes].map((all) => all.join(", ") || "nothing");
      before.push(event);
      judge(happened === expected, {
        when: `${JSON.stringify(spec)}: ${before.join(", then ")}`,
        expected: expected!,
        happened: happened!,
        why,
        body: bodyOf({ spec, event, happened: done, expected: notes }),
      });
    }
  });
}

check("health: the event of a kill says why, and whether the container is started again", () => {
  type Input = Omit<PlanInput, "observed" | "pod">;
  const kill = (container: Container, input: Input, policy: RestartPolicy = "Always") =>
    killOfRunning({ ...input, pod: podOf({ policy }), observed: NOTHING }, container, {
      hash: containerHash({ name: "a", image: "image-a" }),
    } as ObservedContainer);
  const eventOf = (one: ReturnType<typeof kill>) =>
    one ? `${one.cause}: ${one.message}` : "nothing";
  const why = "kubectl describe shows it: Killing, with this text, as upstream's kubelet words it";
  const a: Container = { name: "a", image: "image-a" };
  for (const { policy, isSidecar, failed, expected } of kills) {
    const container = { ...a, ...(isSidecar ? { restartPolicy: "Always" } : {}) };
    const health = () => ({ started: true, failed });
    mustEqual(eventOf(kill(container, { health }, policy)), expected, {
      when: `${policy}${isSidecar ? ", a sidecar" : ""}, failed probe: ${failed ?? "none"}`,
      why,
    });
  }
  const failing = {
    health: () => ({ started: true, failed: "Liveness" as const }),
    resourcesBefore: () => ({ limits: { memory: "64Mi" } }),
  };
  const resized: Container = {
    ...a,
    resources: { limits: { memory: "128Mi" } },
    resizePolicy: [{ resourceName: "memory", restartPolicy: "RestartContainer" }],
  };
  const changed = { ...resized, image: "image-2" };
  mustEqual(
    eventOf(kill(changed, failing)),
    "definition-changed: Container a definition changed, will be restarted",
    { when: "another image, other resources and a failed liveness probe at once", why },
  );
  mustEqual(eventOf(kill(resized, failing)), "resize: Container a resize requires restart", {
    when: "other resources and a failed liveness probe at once",
    why,
  });
});

const SPECS: readonly Spec[] = TRANSCRIPTS.map(({ spec }) => spec).filter(({ slow }) => !slow);

check("sync loop: whatever happens, it comes to rest, with every container that may run", () => {
  const { seed = 1, runs = 200 } = checkOptions();
  const random = seededRandom(seed);
  for (let run = 0; run < runs; run++) {
    const spec = { ...pick(random, SPECS), policy: "Always" as const };
    const node = nodeOf(spec);
    const names = [...(spec.regular ?? []), ...(spec.sidecars ?? [])];
    node.settle();
    for (const name of spec.init ?? []) {
      node.happen(`${name}!0`);
      node.settle();
    }
    const events: string[] = [];
    for (let i = randomInteger(random, 1, 6); i > 0; i--) {
      const event = `${pick(random, names)}${pick(random, ["!0", "!1", "?Liveness"])}`;
      events.push(event);
      node.happen(event);
      const done = node.settle();
      const [name = ""] = event.split(/[!?]/);
      judge(done.some((note) => note.startsWith(`start ${name}#`)) && done.length <= 2, {
        when: `${JSON.stringify(spec)}: ${events.join(", then ")}`,
        expected: `start ${name} again, and nothing else`,
        happened: done.join(", ") || "nothing",
        why: "Always means always; and a container that is well is left alone",
      });
    }
  }
});
