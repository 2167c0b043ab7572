import { afterAll, afterEach, beforeAll, describe } from "vitest";
import { containerRules } from "./container-rules.ts";
import { execRules } from "./exec-rules.ts";
import type { Implementation, Served } from "./implementation.ts";
import { Pods } from "./pods.ts";
import { sandboxRules } from "./sandbox-rules.ts";
import { securityRules } from "./security-rules.ts";
import { statusRules } from "./status-rules.ts";
import { streamRules } from "./stream-rules.ts";
import { createWorld, type World } from "./world.ts";

/** What the rules work with; set before each runs. */
export interface Bench {
  readonly implementation: Implementation;
  readonly world: World;
  readonly served: Served;
  readonly pods: Pods;
}

/** The rules that every CRI v1 runtime keeps. */
export function criContract(name: string, implementation: Implementation): void {
  describe.runIf(process.getuid?.() === 0)(name, () => {
    let world: World;
    let served: Served;
    let pods: Pods;
    const bench: Bench = {
      implementation,
      get world() {
        return world;
      },
      get served() {
        return served;
      },
      get pods() {
        return pods;
      },
    };
    beforeAll(async () => {
      world = createWorld();
      served = await implementation.start(world);
      pods = new Pods(served, world);
    });
    afterEach(() => pods.removeAll());
    afterAll(async () => {
      await served.close();
      await world.close();
    });

    statusRules(bench);
    sandboxRules(bench);
    containerRules(bench);
    securityRules(bench);
    execRules(bench);
    streamRules(bench);
  });
}
