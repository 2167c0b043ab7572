import path from "node:path";
import { controllerService } from "@raft2kube/csi/drivers/hostpath/controller.ts";
import { type HostPathDriver, openDriver } from "@raft2kube/csi/drivers/hostpath/driver.ts";
import { nodeService } from "@raft2kube/csi/drivers/hostpath/node.ts";
import type { ContentForm } from "@raft2kube/csi/drivers/hostpath/volume-contents.ts";
import { failedPrecondition } from "@raft2kube/csi/lib/errors.ts";
import { StateFile, type StateSchema } from "@raft2kube/csi/lib/state-file.ts";
import {
  Controller,
  type ControllerMethods,
  Identity,
  type IdentityMethods,
  Node,
  type NodeMethods,
  ControllerServiceCapability_RPC_Type as Rpc,
  PluginCapability_Service_Type as Service,
} from "@raft2kube/proto/gen/csi.ts";
import type { ServedService } from "@raft2kube/rpc/routes.ts";
import { type Handlers, serve } from "@raft2kube/rpc/server.ts";
import type { Clock } from "@raft2kube/std/clock.ts";

export const DRIVER_NAME = "attaching.csi.r2k.dev";

/** The node that each attached volume is attached to. */
type Attachments = Readonly<Record<string, string>>;

const schema: StateSchema<Attachments> = {
  version: 1,
  empty: () => ({}),
  parse: (data) => data as Attachments,
};

/** The hostPath driver with volumes that must be attached, and that grow on the node too. */
export interface AttachingDriver {
  readonly hostPath: HostPathDriver;
  /** Returns the node by volume id. */
  attached(): Attachments;
  readonly services: readonly ServedService[];
}

export async function openAttachingDriver({
  dataDir,
  form,
  nodeId,
  clock,
}: {
  dataDir: string;
  form: ContentForm | undefined;
  nodeId: string;
  clock: Clock;
}): Promise<AttachingDriver> {
  const place = { topologyKey: `topology.${DRIVER_NAME}/node`, nodeId };
  const hostPath = await openDriver({ dataDir, place, clock, form });
  const state = await StateFile.open(path.join(hostPath.dataDir, "attached.json"), schema);
  return {
    hostPath,
    attached: () => state.current,
    services: [
      serve(Identity, identity),
      serve(Controller, attaching(hostPath, state)),
      serve(Node, requiring(hostPath, state, nodeId)),
    ],
  };
}

/** Service of a driver whose volumes can be reached from any node that they are attached to. */
const identity: Handlers<IdentityMethods> = {
  getPluginInfo: () => ({ name: DRIVER_NAME, vendorVersion: "1" }),
  getPluginCapabilities: () => ({
    capabilities: [{ service: { type: Service.CONTROLLER_SERVICE } }],
  }),
  probe: () => ({ ready: { value: true } }),
};

function attaching(
  driver: HostPathDriver,
  state: StateFile<Attachments>,
): Handlers<ControllerMethods> {
  const plain = controllerService(driver).handlers as Required<Handlers<ControllerMethods>>;
  return {
    ...plain,
    async controllerGetCapabilities(request, call) {
      const { capabilities = [] } = await plain.controllerGetCapabilities(request, call);
      return { capabilities: [...capabilities, { rpc: { type: Rpc.PUBLISH_UNPUBLISH_VOLUME } }] };
    },
    async createVolume(request, call) {
      const { volume } = await plain.createVolume(request, call);
      return { volume: volume && { ...volume, accessibleTopology: [] } };
    },
    async controllerPublishVolume({ volumeId, nodeId }) {
      const holder = state.current[volumeId];
      if (holder !== undefined && holder !== nodeId) {
        throw failedPrecondition(`volume ${volumeId} is attached to ${holder}`);
      }
      await state.change((all) => ({ ...all, [volumeId]: nodeId }));
      return { publishContext: { device: `/dev/disk/${volumeId}` } };
    },
    async controllerUnpublishVolume({ volumeId }) {
      await state.change(({ [volumeId]: _gone, ...others }) => others);
      return {};
    },
    async controllerExpandVolume(request, call) {
      const grown = await plain.controllerExpandVolume(request, call);
      return { ...grown, nodeExpansionRequired: true };
    },
    async deleteVolume(request, call) {
      const holder = state.current[request.volumeId];
      if (holder !== undefined) throw failedPrecondition(`it is attached to ${holder}`);
      return plain.deleteVolume(request, call);
    },
  };
}

function requiring(
  driver: HostPathDriver,
  state: StateFile<Attachments>,
  nodeId: string,
): Handlers<NodeMethods> {
  const plain = nodeService(driver).handlers as Required<Handlers<NodeMethods>>;
  return {
    ...plain,
    nodeStageVolume(request, call) {
      const { volumeId } = request;
      if (state.current[volumeId] !== nodeId) {
        throw failedPrecondition(`volume ${volumeId} is not attached to ${nodeId}`);
      }
      return plain.nodeStageVolume(request, call);
    },
  };
}
