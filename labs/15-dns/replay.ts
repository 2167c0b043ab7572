import { mustEqual } from "../must.ts";
import { recordable, type StepClock } from "../replay/case.ts";
import { plainState, type Recorder } from "../replay/recorder.ts";
import { LOOKUPS, lookUp, POD_DNS } from "./shop.ts";

/** Records each name that a pod looks up, and each question with its answer. */
function play(recorder: Recorder, clock: StepClock): void {
  const { searches, options } = POD_DNS();
  const facts = { search: searches.join(" "), options: options.join(" ") };
  recorder.track("pod", "pod's resolver", plainState("idle", { facts }));
  recorder.track("dns", "cluster's DNS", plainState("cluster.local"));
  const say = (from: string, to: string, label: string, detail: string) => {
    const key = {};
    clock.next();
    recorder.sent(key, { from, to, family: from === "pod" ? "question" : "read", label, detail });
    clock.next();
    recorder.arrived(key, false);
  };
  for (const [name, type, expected, why] of LOOKUPS) {
    clock.next();
    recorder.state("pod", plainState(`looks up ${name}`, { facts }));
    recorder.note("pod", "request", `${name} ${type}`);
    const asked: string[] = [];
    for (const [question, answer] of lookUp(name, type)) {
      say("pod", "dns", `${question} ${type}?`, `${question} ${type}`);
      say("dns", "pod", answer, `${question} ${type}: ${answer}`);
      asked.push(`${question} ${answer}`);
    }
    mustEqual(asked, expected, { when: `a pod in namespace shop looks up ${name}, ${type}`, why });
  }
}

recordable({
  title: "six names through the search path",
  about:
    "Each question is answered before the next is asked. NXDOMAIN leads to the next domain; an " +
    "address, or the absence of one of this family, ends the search.",
  unit: "step",
  variantName: "order",
  variants: [1],
  play,
});
