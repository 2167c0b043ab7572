import { Node, podOf, type Spec } from "@raft2kube/kubelet/testing/sync-loop.ts";
import { mustEqual } from "../must.ts";
import { recordable, type StepClock } from "../replay/case.ts";
import { plainState, type Recorder } from "../replay/recorder.ts";

type Turn = readonly [event: string, about: string, ...notes: string[]];

interface Case {
  readonly title: string;
  readonly about: string;
  readonly spec: Spec;
  readonly turns: readonly Turn[];
}

const CASES: readonly Case[] = [
  {
    title: "a pod with a sidecar and an init container, from its sandbox on",
    about:
      "The sidecar runs before init has ended; the server begins after init. What ends is " +
      "started again, a changed image ends its container first, and a dead sandbox ends all.",
    spec: { sidecars: ["proxy"], init: ["migrate"], regular: ["web"] },
    turns: [
      ["begin", "the pod is on the node", "sandbox 0", "start proxy#0", "start migrate#0"],
      ["migrate!1", "migrate ends with 1", "start migrate#1"],
      ["migrate!0", "migrate ends with 0", "start web#0"],
      ["proxy!1", "the sidecar ends with 1", "start proxy#1"],
      ["web!0", "web ends with 0", "start web#1"],
      ["web?Liveness", "web's liveness probe fails", "kill web: liveness-probe", "start web#2"],
      ["web+", "web has another image", "kill web: definition-changed", "start web#3"],
      ["sandbox!", "the sandbox dies", "stop", "sandbox 1", "start proxy#2", "start migrate#2"],
    ],
  },
  {
    title: "a Job's pod: OnFailure, until every container has succeeded",
    about: "A failure is tried again in the same pod; the pod ends when all have ended with 0.",
    spec: { policy: "OnFailure", init: ["fetch"], regular: ["work", "check"] },
    turns: [
      ["begin", "the pod is on the node", "sandbox 0", "start fetch#0"],
      ["fetch!0", "fetch ends with 0", "start work#0", "start check#0"],
      ["work!1", "work ends with 1", "start work#1"],
      ["work!0", "work ends with 0"],
      ["check!0", "check ends with 0", "stop"],
    ],
  },
];

/** Records each event, the actions of the loop that follow, and the state of each container. */
function play(one: Case, recorder: Recorder, clock: StepClock): void {
  const {
    spec: { sidecars = [], init = [], regular = [] },
    spec,
    turns,
  } = one;
  const names = [...sidecars, ...init, ...regular];
  recorder.track("kubelet", "kubelet", plainState("kubelet"));
  for (const name of names) recorder.track(name, name, plainState("none"));
  const node = new Node(podOf(spec));
  for (const [event, text, ...expected] of turns) {
    clock.next();
    recorder.note("kubelet", event === "begin" ? "request" : "fault", text);
    if (event !== "begin") node.happen(event);
    const actions = node.settle();
    for (const action of actions) {
      clock.next();
      const name = /^(?:start|kill) (\w+)/.exec(action)?.[1];
      recorder.note(name ?? "kubelet", "role", action);
    }
    for (const name of names) {
      const newest = node.containers.find((one) => one.name === name);
      if (!newest) continue;
      const { state, attempt, exitCode } = newest;
      const facts: Record<string, number> = { attempt };
      if (state === "exited") facts["exit code"] = exitCode;
      recorder.state(name, plainState(state, { facts }));
    }
    mustEqual(actions.join(", "), expected.join(", "), { when: text, why: one.about });
  }
}

for (const one of CASES) {
  recordable({
    title: one.title,
    about: one.about,
    unit: "step",
    variantName: "order",
    variants: [1],
    play: (recorder, clock) => play(one, recorder, clock),
  });
}
