import { rm, writeFile } from "node:fs/promises";
import type { LinuxContainerResources } from "@raft2kube/proto/gen/cri.ts";
import { RuntimeError } from "../errors.ts";
import { resourcesFor } from "../oci/resources.ts";
import { ociOf, type ProcessPorts } from "../ports.ts";
import { rewriteSpec } from "./bundle.ts";

/** UpdateContainerResources: limits that are not zero replace what was set. */
export async function updateResources(
  runtime: ProcessPorts,
  id: string,
  limits: LinuxContainerResources,
): Promise<void> {
  await runtime.turns.run(id, async () => {
    const record = runtime.containers.get(id);
    const { state } = record.phase;
    if (state !== "running" && state !== "created") {
      throw new RuntimeError("failed-precondition", `container ${id} is ${state}`);
    }
    if (runtime.cgroups.version === "none") {
      const message = "limits need cgroups, of which there are none";
      const remedy = "start the cluster as root";
      throw new RuntimeError("failed-precondition", message, { remedy });
    }
    const given = Object.entries(limits).filter(([, value]) => value !== 0 && value !== "");
    const resources = { ...record.resources, ...Object.fromEntries(given) };
    // Without a quota there is none to lift.
    const fresh = (record.resources?.cpuQuota ?? 0) <= 0;
    const changed = resourcesFor(limits, { cgroupVersion: runtime.cgroups.version, fresh });
    if (state === "created") {
      await rewriteSpec(runtime, id, (spec) => Object.assign(spec.linux.resources, changed));
    } else {
      const file = `${runtime.paths.container(id).run}/update.json`;
      await writeFile(file, JSON.stringify(changed), { mode: 0o600 });
      await ociOf(runtime, record).update(id, file);
      await rm(file);
    }
    await runtime.containers.put({ ...record, resources: resources as LinuxContainerResources });
  });
}
