import type { Container, RestartPolicy } from "@raft2kube/api/gen/core/v1.ts";
import { containerHash } from "@raft2kube/kubelet/containers/container-hash.ts";
import type { ObservedContainer, ObservedPod } from "@raft2kube/kubelet/cri/observed.ts";
import {
  killOfRunning,
  type PlanInput,
  restartsAfter,
} from "@raft2kube/kubelet/sync/plan-actions.ts";
import { pick, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { check, checkOptions } from "../check.ts";
import { judge } from "../judge.ts";
import { mustEqual } from "../must.ts";
import { bodyOf } from "./body.ts";
import { Node, podOf, type Spec } from "./node.ts";

const NOTHING: ObservedPod = { uid: "u", name: "p", namespace: "n", sandboxes: [], containers: [] };

const SERVER = "a server that ends, for whatever reason, no longer serves";
const COMPLETES = "a Job's pod that is restarted after success never completes";

/** Policy, exit code, whether the container is started again. */
const RESTARTS: readonly (readonly [RestartPolicy | undefined, number, boolean, why: string])[] = [
  ["Always", 0, true, SERVER],
  ["Always", 1, true, SERVER],
  ["OnFailure", 0, false, COMPLETES],
  ["OnFailure", 137, true, "137 is 128 + SIGKILL: what ran out of memory has not done its work"],
  ["Never", 0, false, COMPLETES],
  ["Never", 1, false, "the Job's controller counts failures by pods: a second run would be unseen"],
  [undefined, 0, true, "the API's default is Always"],
];

check("restart policy: which exit codes start a container again", () => {
  for (const [policy, exitCode, expected, why] of RESTARTS) {
    const pod = podOf({});
    if (policy === undefined) delete pod.spec.restartPolicy;
    else pod.spec.restartPolicy = policy;
    const happened = restartsAfter(pod, exitCode);
    judge(happened === expected, {
      when: `restartPolicy ${policy ?? "not given"}, exit code ${exitCode}`,
      expected: expected ? "started again" : "not started again",
      happened: happened ? "started again" : "not started again",
      why,
    });
  }
});

/** Events, each with the notes of the loop until there is nothing to do. */
type Transcript = readonly (readonly [event: string, ...notes: string[]])[];

interface Case {
  readonly title: string;
  readonly why: string;
  readonly spec: Spec;
  readonly transcript: Transcript;
}

const CASES: readonly Case[] = [
  {
    title: "sync loop: a sandbox first, then the containers together; Always restarts",
    why: "containers share the sandbox's namespaces: without it they have no network",
    spec: { regular: ["a", "b"] },
    transcript: [
      ["begin", "sandbox 0", "start a#0", "start b#0"],
      ["a!0", "start a#1"],
      ["a!1", "start a#2"],
    ],
  },
  {
    title: "sync loop: OnFailure restarts failures, and ends when all have succeeded",
    why: "the pod's phase becomes Succeeded only when it was stopped",
    spec: { policy: "OnFailure", regular: ["a", "b"] },
    transcript: [
      ["begin", "sandbox 0", "start a#0", "start b#0"],
      ["a!1", "start a#1"],
      ["a!0"],
      ["b!0", "stop"],
    ],
  },
  {
    title: "init: one after the other, before the regular ones, and not again",
    why: "an init container prepares what the next ones need: a migration, a file",
    spec: { init: ["i", "j"], regular: ["a", "b"] },
    transcript: [
      ["begin", "sandbox 0", "start i#0"],
      ["i!1", "start i#1"],
      ["i!0", "start j#0"],
      ["j!0", "start a#0", "start b#0"],
      ["a!1", "start a#1"],
    ],
  },
  {
    title: "init: with OnFailure a failure is tried again",
    why: "a Job whose pod waits for a database in its init container would fail at the first look",
    spec: { policy: "OnFailure", init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start i#0"],
      ["i!1", "start i#1"],
      ["i!0", "start a#0"],
      ["a!0", "stop"],
    ],
  },
  {
    title: "init: a failure with Never ends the pod",
    why: "the regular containers would start without what init prepares",
    spec: { policy: "Never", init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start i#0"],
      ["i!1", "stop"],
    ],
  },
  {
    title: "init: a sidecar runs beside the others, is restarted, and holds no pod",
    why: "a proxy that ends must come back; a Job with one must still complete (KEP-753)",
    spec: { policy: "Never", sidecars: ["s"], init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start s#0", "start i#0"],
      ["i!0", "start a#0"],
      ["s!1", "start s#1"],
      ["a!0", "stop"],
    ],
  },
  {
    title: "init: with Never any of them that fails ends the pod",
    why: "the pod has failed, whichever step it was: another run would be unseen",
    spec: { policy: "Never", sidecars: ["s"], init: ["i", "j"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start s#0", "start i#0"],
      ["i!0", "start j#0"],
      ["j!1", "stop"],
    ],
  },
  {
    title: "sync loop: Never restarts nothing, also when the sandbox dies",
    why: "the Job's controller counts failures by pods: a second run would be unseen",
    spec: { policy: "Never", regular: ["a", "b"] },
    transcript: [["begin", "sandbox 0", "start a#0", "start b#0"], ["a!1"], ["sandbox!", "stop"]],
  },
  {
    title: "sync loop: with Never there is another sandbox if no container was created",
    why: "a pod whose sandbox died before its first container has done nothing yet",
    spec: { policy: "Never", regular: ["a"] },
    transcript: [["sandbox-", "stop", "sandbox 1", "start a#0"]],
  },
  {
    title: "sync loop: with Never a container that was created ends the pod with its sandbox",
    why: "only of a pod without any container it is certain that nothing has run",
    spec: { policy: "Never", regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start a#0"],
      ["a^ sandbox!", "stop"],
    ],
  },
  {
    title: "sync loop: with Never a container that was created and not started is made again",
    why: "the pod would end without having run",
    spec: { policy: "Never", regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start a#0"],
      ["a^", "start a#1"],
    ],
  },
  {
    title: "sync loop: the attempt of a sandbox follows the newest one's, though others are gone",
    why: "the runtime refuses a second sandbox with the name of one that it still has",
    spec: { regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start a#0"],
      ["sandbox!", "stop", "sandbox 1", "start a#1"],
      ["sandbox!", "stop", "sandbox 2", "start a#2"],
      ["gc"],
      ["sandbox!", "stop", "sandbox 3", "start a#3"],
    ],
  },
  {
    title: "sync loop: a killed container that is to be restarted gets a new sandbox for it",
    why: "it ended with 0 because it was told to: the pod would succeed without its work",
    spec: { policy: "OnFailure", regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start a#0"],
      ["sandbox~ a**", "kill a: resize", "stop", "sandbox 1", "start a#1"],
      ["sandbox~ a?Liveness", "kill a: liveness-probe", "stop", "sandbox 2", "start a#2"],
      ["a!0", "stop"],
    ],
  },
  {
    title: "sync loop: with Never there is no second sandbox",
    why: "init containers that have run would run a second time",
    spec: { policy: "Never", init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start i#0"],
      ["sandbox!", "stop"],
    ],
  },
  {
    title: "sync loop: a dead sandbox is replaced, and its containers started again",
    why: "after a reboot of the node every sandbox is dead",
    spec: { init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start i#0"],
      ["i!0", "start a#0"],
      ["sandbox!", "stop", "sandbox 1", "start i#1"],
      ["i!0", "start a#1"],
    ],
  },
  {
    title: "sync loop: in a new sandbox, what has succeeded is not run again",
    why: "work that is done would be done again",
    spec: { policy: "OnFailure", regular: ["a", "b"] },
    transcript: [
      ["begin", "sandbox 0", "start a#0", "start b#0"],
      ["a!0"],
      ["sandbox!", "stop", "sandbox 1", "start b#1"],
      ["b!0 sandbox!", "stop"],
    ],
  },
  {
    title: "sync loop: a pod that has succeeded as its sandbox died gets no other",
    why: "a sandbox that no container needs would stay until the pod is deleted",
    spec: { policy: "OnFailure", regular: ["a", "b"] },
    transcript: [
      ["begin", "sandbox 0", "start a#0", "start b#0"],
      ["a!0 b!0 sandbox!", "stop"],
    ],
  },
  {
    title: "sync loop: a container that was created and not started is made again",
    why: "the kubelet was killed between the two calls: nothing else would start it",
    spec: { policy: "Never", sidecars: ["s"], init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start s#0", "start i#0"],
      ["i^", "start i#1"],
      ["s^", "start s#1"],
      ["i!0", "start a#0"],
      ["a^", "start a#1"],
    ],
  },
  {
    title: "sync loop: an ephemeral container starts at once, beside whatever runs",
    why: "kubectl debug looks into a pod that hangs, also in its init containers",
    spec: { policy: "Never", init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start i#0"],
      ["e&", "start e#0"],
      ["e!0"],
      ["i!0", "start a#0"],
    ],
  },
  {
    title: "sync loop: a pod that ends starts and kills nothing more",
    why: "containers that start as the sandbox is stopped are killed in the middle of their work",
    spec: { policy: "Never", sidecars: ["s"], init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start s#0", "start i#0"],
      ["i!0", "start a#0"],
      ["a!0 s?Liveness e&", "stop"],
    ],
  },
  {
    title: "sync loop: a pod whose init failed starts nothing more",
    why: "the pod has failed: its phase is final",
    spec: { policy: "Never", sidecars: ["s"], init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start s#0", "start i#0"],
      ["i!1 s!1 e&", "stop"],
    ],
  },
  {
    title: "sync loop: a pod that ends starts no sidecar again",
    why: "a sidecar lives as long as the containers it serves",
    spec: { policy: "Never", sidecars: ["s"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start s#0", "start a#0"],
      ["a!0 s!1", "stop"],
    ],
  },
  {
    title: "sync loop: a container in an unknown state is killed before it is started again",
    why: "it may run: two copies at once write to one volume",
    spec: { init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start i#0"],
      ["i~", "kill i: unknown-state", "start i#1"],
      ["i!0", "start a#0"],
      ["a~", "kill a: unknown-state", "start a#1"],
    ],
  },
  {
    title: "sync loop: an unknown state is no failure: with Never the kill is",
    why: "the exit code of a container that has not exited says nothing",
    spec: { policy: "Never", init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start i#0"],
      ["i~", "kill i: unknown-state", "stop"],
    ],
  },
  {
    title: "sync loop: a sidecar is passed once it has started, and holds up nothing later",
    why: "init containers use it; but a container that crashes must not wait for it to come back",
    spec: { sidecars: ["s"], slow: ["s"], init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start s#0"],
      ["s?Started", "start i#0"],
      ["i!0", "start a#0"],
      ["s!1", "start s#1"],
      ["a!1", "start a#1"],
      ["s~", "kill s: unknown-state", "start s#2"],
      ["s?Liveness", "kill s: liveness-probe", "start s#3"],
    ],
  },
  {
    title: "sync loop: a sidecar that is killed before the next container begins is waited for",
    why: "the init container would begin beside a sidecar that ends, and find no service",
    spec: { sidecars: ["s"], slow: ["s"], init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start s#0"],
      ["s!1", "start s#1"],
      ["s?Liveness", "kill s: liveness-probe", "start s#2"],
      ["s?Started", "start i#0"],
    ],
  },
  {
    title: "sync loop: an init container that the runtime has forgotten is not run again",
    why: "runtimes remove old containers: a migration would run beside the program that uses it",
    spec: { init: ["i"], regular: ["a"] },
    transcript: [["begin", "sandbox 0", "start i#0"], ["i!0", "start a#0"], ["i-"]],
  },
  {
    title: "health: a failed liveness probe restarts the container",
    why: "a process that hangs does not exit by itself",
    spec: { regular: ["a", "b"] },
    transcript: [
      ["begin", "sandbox 0", "start a#0", "start b#0"],
      ["a?Liveness", "kill a: liveness-probe", "start a#1"],
      ["b?Startup", "kill b: startup-probe", "start b#1"],
    ],
  },
  {
    title: "health: with Never a failed probe ends the container for good",
    why: "the policy holds whatever the reason of the end",
    spec: { policy: "Never", regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start a#0"],
      ["a?Liveness", "kill a: liveness-probe", "stop"],
    ],
  },
  {
    title: "health: changed resources restart a container that asks for it, whatever the policy",
    why: "resizePolicy says which resources a program reads at its start alone (KEP-1287)",
    spec: { policy: "Never", sidecars: ["s"], regular: ["a", "b"] },
    transcript: [
      ["begin", "sandbox 0", "start s#0", "start a#0", "start b#0"],
      ["a*"],
      ["b**", "kill b: resize", "start b#1"],
      ["s**", "kill s: resize", "start s#1"],
    ],
  },
  {
    title: "health: a changed image replaces the container",
    why: "kubectl set image on a pod must have an effect, and on this container alone",
    spec: { regular: ["a", "b"] },
    transcript: [
      ["begin", "sandbox 0", "start a#0", "start b#0"],
      ["a+", "kill a: definition-changed", "start a#1"],
    ],
  },
  {
    title: "health: a changed image replaces a sidecar, and leaves a running init container alone",
    why: "a migration that is killed in the middle leaves half of its work; it ends by itself",
    spec: { sidecars: ["s"], init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start s#0", "start i#0"],
      ["i+"],
      ["s+", "kill s: definition-changed", "start s#1"],
      ["i!0", "start a#0"],
    ],
  },
];

for (const { title, why, spec, transcript } of CASES) {
  check(title, () => {
    const node = new Node(podOf(spec), spec.slow);
    const before: string[] = [];
    for (const [event, ...notes] of transcript) {
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

/** Policy, the container's own, its health; cause and message of its end. */
const KILLS: readonly (readonly [
  RestartPolicy,
  boolean,
  "Liveness" | "Startup" | undefined,
  string,
])[] = [
  ["Always", false, undefined, "nothing"],
  [
    "Always",
    false,
    "Liveness",
    "liveness-probe: Container a failed liveness probe, will be restarted",
  ],
  [
    "OnFailure",
    false,
    "Startup",
    "startup-probe: Container a failed startup probe, will be restarted",
  ],
  ["Never", false, "Liveness", "liveness-probe: Container a failed liveness probe"],
  ["Never", true, "Startup", "startup-probe: Container a failed startup probe, will be restarted"],
];

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
  for (const [policy, isSidecar, failed, expected] of KILLS) {
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

const SPECS: readonly Spec[] = CASES.map(({ spec }) => spec).filter(({ slow }) => !slow);

check("sync loop: whatever happens, it comes to rest, with every container that may run", () => {
  const { seed = 1, runs = 200 } = checkOptions();
  const random = seededRandom(seed);
  for (let run = 0; run < runs; run++) {
    const spec = { ...pick(random, SPECS), policy: "Always" as const };
    const node = new Node(podOf(spec));
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
