import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { persistentVolumeOf } from "@raft2kube/csi/sidecars/persistent-volume.ts";
import type { CsiDriver } from "@raft2kube/kubelet/plugins/csi-drivers.ts";
import { missingTopologyLabels, withDriver } from "@raft2kube/kubelet/plugins/csi-node.ts";
import {
  ControllerExpandVolumeResponse,
  ControllerGetCapabilitiesResponse,
  ControllerPublishVolumeResponse,
  CreateVolumeResponse,
  GetPluginCapabilitiesResponse,
  GetPluginInfoResponse,
  NodeGetCapabilitiesResponse,
  NodeGetInfoResponse,
  NodeGetVolumeStatsResponse,
  ProbeResponse,
} from "@raft2kube/proto/gen/csi.ts";
import { messageCase, messageTarget } from "./message.ts";

const claim: PersistentVolumeClaim = {
  metadata: { name: "data", namespace: "default", uid: "u" },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
};
const storageClass: StorageClass = { metadata: { name: "fast" }, provisioner: "driver" };
const topology = { segments: { "topology.driver/node": "one" } };

/** Answers of a CSI driver, read as the provisioner and the kubelet do. */
export const csiAnswer = messageTarget("csi-answer", [
  messageCase(
    CreateVolumeResponse,
    {
      volume: {
        capacityBytes: 1 << 30,
        volumeId: "v",
        volumeContext: { a: "b" },
        accessibleTopology: [topology],
      },
    },
    ({ volume }) => volume && void persistentVolumeOf(claim, storageClass, "driver", volume),
  ),
  messageCase(
    NodeGetInfoResponse,
    { nodeId: "n", maxVolumesPerNode: 8, accessibleTopology: topology },
    ({ nodeId, maxVolumesPerNode, accessibleTopology }) => {
      const known = { name: "driver", endpoint: "", nodeId, maxVolumes: maxVolumesPerNode };
      const driver = { ...known, topology: accessibleTopology?.segments ?? {} } as CsiDriver;
      withDriver({ drivers: [] }, driver);
      missingTopologyLabels({}, driver);
    },
  ),
  messageCase(GetPluginInfoResponse, { name: "driver", vendorVersion: "1", manifest: { a: "b" } }),
  messageCase(GetPluginCapabilitiesResponse, { capabilities: [{ service: { type: 1 } }] }),
  messageCase(ControllerGetCapabilitiesResponse, { capabilities: [{ rpc: { type: 1 } }] }),
  messageCase(NodeGetCapabilitiesResponse, { capabilities: [{ rpc: { type: 1 } }] }),
  messageCase(ProbeResponse, { ready: { value: true } }),
  messageCase(ControllerPublishVolumeResponse, { publishContext: { device: "/dev/a" } }),
  messageCase(ControllerExpandVolumeResponse, { capacityBytes: 5, nodeExpansionRequired: true }),
  messageCase(NodeGetVolumeStatsResponse, {
    usage: [{ available: 1, total: 2, used: 1, unit: 1 }],
    volumeCondition: { abnormal: true, message: "bad" },
  }),
]);
