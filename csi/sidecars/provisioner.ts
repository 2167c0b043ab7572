import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  STORAGE_CLASSES,
  VOLUME_ATTRIBUTES_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { ControllerServiceCapability_RPC_Type as Rpc } from "@raft2kube/proto/gen/csi.ts";
import {
  type BesideDriverOptions,
  type SidecarLoop,
  type SidecarSet,
  startBesideDriver,
} from "./beside-driver.ts";
import { CapacityPublishing } from "./capacity-loop.ts";
import { assertProvisions } from "./driver-identity.ts";
import { HealthMonitor, reportsConditions } from "./health-loop.ts";
import { Modifier } from "./modify-loop.ts";
import { Provisioner } from "./provision-loop.ts";
import { Resizer } from "./resize-loop.ts";

const PROVISIONER: SidecarSet = {
  name: "csi-provisioner",
  reads: [PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES, VOLUME_ATTRIBUTES_CLASSES],
  check: assertProvisions,
  loops: (options) => {
    const { nodeName } = options;
    const { capabilities, hasTopology } = options.driver;
    const loops: SidecarLoop[] = [new Provisioner(options)];
    if (capabilities.has(Rpc.EXPAND_VOLUME)) loops.push(new Resizer(options));
    if (capabilities.has(Rpc.MODIFY_VOLUME)) loops.push(new Modifier(options));
    if (reportsConditions(capabilities)) loops.push(new HealthMonitor(options));
    if (capabilities.has(Rpc.GET_CAPACITY) && hasTopology && nodeName !== undefined) {
      loops.push(new CapacityPublishing({ ...options, nodeName }, CAPACITY_NAMESPACE));
    }
    return loops;
  },
};

/** Where capacities are published; the scheduler reads those of all namespaces. */
const CAPACITY_NAMESPACE = "kube-system";

/**
 * Starts the provisioner beside a driver: claims become volumes, released volumes are deleted.
 * Where the driver can, volumes grow and get other attributes, their conditions are events about
 * their claims, and its free space is published for its node. The client has the rights of
 * upstream's external-provisioner and external-resizer.
 */
export function startProvisioner(
  options: BesideDriverOptions,
): Promise<{ ready: Promise<void>; close(): Promise<void> }> {
  return Promise.resolve(startBesideDriver(options, PROVISIONER));
}
