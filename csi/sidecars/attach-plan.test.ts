import type { PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import type { VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import {
  VolumeCapability_AccessMode_Mode as Mode,
  ControllerServiceCapability_RPC_Type as Rpc,
} from "@raft2kube/proto/gen/csi.ts";
import { expect, test } from "vitest";
import { attacherFinalizer, nodeIdOf, planAttachment, publishRequest } from "./attach-plan.ts";

const DRIVER = "d.example";
const FINALIZER = "external-attacher/d-example";
const deleted = { deletionTimestamp: "2026-01-01T00:00:00Z" };

function attachment(metadata: object, attached?: boolean, attacher = DRIVER): VolumeAttachment {
  const made: VolumeAttachment = {
    metadata,
    spec: { attacher, nodeName: "n1", source: { persistentVolumeName: "v" } },
  };
  return attached === undefined ? made : { ...made, status: { attached } };
}

test.each([
  ["attach", attachment({})],
  ["attach", attachment({ finalizers: [FINALIZER] }, false)],
  ["leave", attachment({}, true)],
  ["leave", attachment({}, undefined, "other")],
  ["leave", attachment({ ...deleted }, true)],
  ["leave", attachment({ ...deleted, finalizers: ["external-attacher/other"] }, true)],
  ["detach", attachment({ ...deleted, finalizers: [FINALIZER] }, true)],
  ["detach", attachment({ ...deleted, finalizers: [FINALIZER] })],
])("%s %j", (plan, of) => expect(planAttachment(of, DRIVER)).toBe(plan));

test("finalizers are upstream's", () => {
  expect(attacherFinalizer("d.example")).toBe(FINALIZER);
  expect(attacherFinalizer("d.example.")).toBe("external-attacher/d-example-X");
});

test("the node's id is that of its CSINode, else that noted, else an error", () => {
  const noted = attachment({ annotations: { "csi.alpha.kubernetes.io/node-id": "old" } });
  const drivers = [{ name: DRIVER, nodeID: "new", topologyKeys: [] }];
  expect(nodeIdOf(noted, { metadata: {}, spec: { drivers } })).toBe("new");
  expect(nodeIdOf(noted, undefined)).toBe("old");
  expect(() => nodeIdOf(attachment({}), undefined)).toThrow("not registered on node n1");
});

test.each([
  [["ReadWriteOnce"], Mode.SINGLE_NODE_WRITER],
  [["ReadWriteOnce", "ReadWriteMany"], Mode.MULTI_NODE_MULTI_WRITER],
  [["ReadOnlyMany"], Mode.MULTI_NODE_READER_ONLY],
] as const)("%j is access mode %s", (accessModes, mode) => {
  const csi = { driver: DRIVER, volumeHandle: "h", readOnly: true };
  const volume: PersistentVolume = { metadata: {}, spec: { accessModes: [...accessModes], csi } };
  const request = publishRequest(volume, "id", {}, new Set());
  expect(request).toMatchObject({ volumeCapability: { accessMode: { mode } }, readonly: false });
  expect(publishRequest(volume, "id", {}, new Set([Rpc.PUBLISH_READONLY])).readonly).toBe(true);
});
