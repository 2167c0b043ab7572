import { afterAll, beforeAll, describe } from "vitest";
import type { Implementation } from "../cri/implementation.ts";
import { endRules } from "./end-rules.ts";
import { Node } from "./fixture.ts";
import { imageVolumeRules } from "./image-volume-rules.ts";
import { kubeletRestartRules } from "./kubelet-restart-rules.ts";
import { readOnlyRules } from "./read-only-rules.ts";
import { restartAllRules, restartRules } from "./restart-rules.ts";
import { userNamespaceRules } from "./user-namespace-rules.ts";
import { wholePodRules } from "./whole-pod-rules.ts";

/** Rules for a kubelet and its pods on any CRI runtime, without an API server. */
export function kubeletContract(name: string, implementation: Implementation): void {
  describe(`the kubelet on ${name}`, () => {
    let started: Node | undefined;
    const node = () => {
      if (!started) throw new Error("the node has not started");
      return started;
    };
    beforeAll(async () => {
      started = await Node.start(implementation);
    });
    afterAll(() => started?.close());

    wholePodRules(node);
    readOnlyRules(node);
    if (implementation.knows.imageVolumes) imageVolumeRules(node);
    if (implementation.knows.userNamespaces) userNamespaceRules(node);
    kubeletRestartRules(node);
    restartRules(node);
    restartAllRules(node);
    endRules(node);
  });
}
