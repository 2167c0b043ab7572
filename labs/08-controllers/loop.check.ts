import { check } from "../check.ts";
import { mustEqual } from "../must.ts";
import { Loop } from "./loop.ts";
import { SCENARIOS } from "./scenarios.ts";

for (const { title, why, transcript } of SCENARIOS) {
  check(`loop: ${title}`, async () => {
    const loop = new Loop();
    const played: string[] = [];
    for (const [event, ...expected] of transcript) {
      played.push(event);
      const happened = await loop.play(event);
      const when = played.join(", then ");
      mustEqual(happened.join(", ") || "nothing", expected.join(", ") || "nothing", { when, why });
    }
  });
}
