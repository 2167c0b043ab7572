import { mustEqual } from "../must.ts";
import { type StepClock, recordable } from "../replay/case.ts";
import { type Recorder, plainState } from "../replay/recorder.ts";
import { LOOKUPS, POD_DNS, lookUp } from "./shop.ts";

/** Records each question of a pod's resolver, and its answer. */
function play(recorder: Recorder, clock: StepClock, variant: number): void {
  const [name, type, expected, why] = LOOKUPS[variant - 1]!;
  const { searches, options } = POD_DNS();
  recorder.track("pod", "pod's resolver", plainState(`looks up ${name} ${type}`, {
    facts: { search: searches.join(" "), options: options.join(" ") },
  }));
  recorder.track("dns", "cluster's DNS", plainState("cluster.local"));
  const asked: string[] = [];
  for (const [question, answer] of lookUp(name, type)) {
    for (const [from, to, text] of [
      ["pod", "dns", `${question} ${type}?`], ["dns", "pod", answer],
    ] as const) {
      const key = {};
      clock.next();
      const family = from === "pod" ? "read" : "event";
      recorder.sent(key, { from, to, family, label: text, detail: `${question} ${text}` });
      clock.next();
      recorder.arrived(key, false);
    }
    asked.push(`${question} ${answer}`);
  }
  mustEqual(asked, expected, { when: `a pod in namespace shop looks up ${name}, ${type}`, why });
}

recordable({
  title: "a short name through the search path",
  about:
    "Each question is answered before the next is asked. NXDOMAIN leads to the next domain; an " +
    "address, or the absence of one of this family, ends the search.",
  unit: "step",
  variantName: "name",
  variants: LOOKUPS.map((_, i) => i + 1),
  play,
});
