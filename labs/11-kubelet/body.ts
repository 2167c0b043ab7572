import type { Spec } from "@raft2kube/kubelet/testing/sync-loop.ts";

/** Actions of the loop after an event, and those that are expected. */
interface Compared {
  readonly spec: Spec;
  readonly event: string;
  readonly happened: readonly string[];
  readonly expected: readonly string[];
}

type Kind = "regular" | "init" | "sidecar" | "ephemeral";

function kindOf({ init = [], sidecars = [], regular = ["a"] }: Spec, name: string): Kind {
  if (init.includes(name)) return "init";
  if (sidecars.includes(name)) return "sidecar";
  return regular.includes(name) ? "regular" : "ephemeral";
}

/**
 * Returns the body of the exercise that plans the first action that differs: most often the one
 * with the mistake.
 */
export function bodyOf({ spec, event, happened, expected }: Compared): string {
  const differs = expected.findIndex((note, i) => note !== happened[i]);
  const at = differs < 0 ? expected.length : differs;
  const before = expected.slice(0, at);
  const [own = "", right = ""] = [happened[at], expected[at]];
  if (sandboxIsDead(event, before)) return /^(start|kill)/.test(own) ? "planPod" : "planNewSandbox";
  const [subject = "a"] = /\b(?!sandbox|begin|gc)\w+(?=[!?+~^&*-])/.exec(event) ?? [];
  if (before.includes("stop") && right === "") return "planPod";
  if (own === "stop") return kindOf(spec, subject) === "regular" ? "planRegular" : "planInit";
  if (right === "stop") {
    if (own === "") return "planPod";
    return kindOf(spec, nameOf(own)) === "regular" ? "planRegular" : "planInit";
  }
  const note = right || own;
  if (note.startsWith("kill")) return killerOf(kindOf(spec, nameOf(note)), note);
  if (right === "") return strangerOf(kindOf(spec, nameOf(own)), spec);
  return starterOf(spec, { note: right, own, before, subject });
}

/** Whether there is no sandbox as the first action that differs is planned. */
function sandboxIsDead(event: string, before: readonly string[]): boolean {
  const killed = before.some((note) => note.startsWith("kill"));
  const dies = event === "begin" || /sandbox[!-]/.test(event) || (/sandbox~/.test(event) && killed);
  return dies && !before.some((note) => note.startsWith("sandbox"));
}

const nameOf = (note: string) => /^\w+ (\w+)/.exec(note)?.[1] ?? "";

function killerOf(kind: Kind, note: string): string {
  if (kind === "init") return "planStep";
  if (kind === "sidecar") return "planSidecar";
  return note.endsWith("unknown-state") ? "planRegular" : "killOfRunning";
}

/** The function to blame for starting a container that should not run. */
function strangerOf(kind: Kind, { init = [], slow = [] }: Spec): string {
  if (kind === "ephemeral") return "planPod";
  if (kind === "init" && slow.length > 0) return "planSidecar";
  return kind === "regular" && init.length === 0 ? "planRegular" : "planInit";
}

/** The function to blame for not starting a container, or for starting another attempt. */
function starterOf(
  spec: Spec,
  {
    note,
    own,
    before,
    subject,
  }: { note: string; own: string; before: readonly string[]; subject: string },
): string {
  const isFirst = note.endsWith("#0");
  switch (kindOf(spec, nameOf(note))) {
    case "ephemeral":
      return "planPod";
    case "regular":
      return isFirst && kindOf(spec, subject) === "init" && own === "" ? "planInit" : "planRegular";
    case "sidecar":
      return isFirst ? "planInit" : "planSidecar";
    case "init": {
      const waits = before.some((one) => kindOf(spec, nameOf(one)) === "sidecar");
      if (waits || kindOf(spec, subject) === "sidecar") return "planSidecar";
      return isFirst || before.length > 0 ? "planInit" : "planStep";
    }
  }
}
