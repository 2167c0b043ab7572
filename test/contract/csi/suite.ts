import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { controllerRules, snapshotRules } from "./controller-rules.ts";
import { createVolumeRules } from "./create-volume-rules.ts";
import { CsiFixture, type DriverUnderTest } from "./fixture.ts";
import { nodeDataRules, nodePublishRules } from "./node-rules.ts";

/**
 * Rules of the CSI specification 1.12, as a caller can observe them over the socket. `more` are
 * those of optional capabilities that the driver has.
 */
export function csiContract(
  name: string,
  driver: DriverUnderTest,
  more: readonly ((csi: CsiFixture) => void)[] = [],
): void {
  describe(`CSI driver contract: ${name}`, () => {
    const csi = new CsiFixture(driver);
    beforeEach(() => csi.open());
    afterEach(() => csi.close());

    it("GetPluginInfo gives a name in domain form, Probe is ready", async () => {
      const info = await csi.identity.getPluginInfo({});
      expect(info.name).toMatch(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$/);
      expect((await csi.identity.probe({})).ready?.value ?? true).toBe(true);
    });
    createVolumeRules(csi);
    controllerRules(csi);
    snapshotRules(csi);
    nodeDataRules(csi);
    nodePublishRules(csi);
    for (const rules of more) rules(csi);
  });
}
