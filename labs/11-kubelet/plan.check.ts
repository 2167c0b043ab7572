import type { RestartPolicy } from "@raft2kube/api/gen/core/v1.ts";
import { restartsAfter } from "@raft2kube/kubelet/sync/plan-actions.ts";
import { pick, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { check, checkOptions } from "../check.ts";
import { judge } from "../judge.ts";
import { Node, type Spec, podOf } from "./node.ts";

/** Policy, exit code, whether the container is started again. */
const RESTARTS: readonly (readonly [RestartPolicy | undefined, number, boolean])[] = [
  ["Always", 0, true],
  ["Always", 1, true],
  ["OnFailure", 0, false],
  ["OnFailure", 137, true],
  ["Never", 0, false],
  ["Never", 1, false],
  [undefined, 0, true],
];

check("restart policy: which exit codes start a container again", () => {
  for (const [policy, exitCode, expected] of RESTARTS) {
    const pod = podOf({});
    if (policy === undefined) delete pod.spec.restartPolicy;
    else pod.spec.restartPolicy = policy;
    const happened = restartsAfter(pod, exitCode);
    judge(happened === expected, {
      when: `restartPolicy ${policy ?? "not given"}, exit code ${exitCode}`,
      expected: expected ? "started again" : "not started again",
      happened: happened ? "started again" : "not started again",
      why: "a Job's pod that is restarted after success never completes",
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
    title: "sync loop: Never restarts nothing, also when the sandbox dies",
    why: "the Job's controller counts failures by pods: a second run would be unseen",
    spec: { policy: "Never", regular: ["a", "b"] },
    transcript: [
      ["begin", "sandbox 0", "start a#0", "start b#0"],
      ["a!1"],
      ["sandbox!", "stop"],
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
    title: "sync loop: an init container that the runtime has forgotten is not run again",
    why: "runtimes remove old containers: a migration would run beside the program that uses it",
    spec: { init: ["i"], regular: ["a"] },
    transcript: [
      ["begin", "sandbox 0", "start i#0"],
      ["i!0", "start a#0"],
      ["i-"],
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
    title: "health: a changed image replaces the container",
    why: "kubectl set image on a pod must have an effect, and on this container alone",
    spec: { regular: ["a", "b"] },
    transcript: [
      ["begin", "sandbox 0", "start a#0", "start b#0"],
      ["a+", "kill a: definition-changed", "start a#1"],
    ],
  },
];

for (const { title, why, spec, transcript } of CASES) {
  check(title, () => {
    const node = new Node(podOf(spec));
    const before: string[] = [];
    for (const [event, ...notes] of transcript) {
      if (event !== "begin") node.happen(event);
      const [happened, expected] = [node.settle(), notes].map((all) => all.join(", ") || "nothing");
      before.push(event);
      judge(happened === expected, {
        when: `${JSON.stringify(spec)}: ${before.join(", then ")}`,
        expected: expected!,
        happened: happened!,
        why,
      });
    }
  });
}

const SPECS: readonly Spec[] = CASES.map(({ spec }) => spec);

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
