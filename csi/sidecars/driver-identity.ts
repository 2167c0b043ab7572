import {
  Controller,
  type ControllerMethods,
  Identity,
  Node,
  ControllerServiceCapability_RPC_Type as Rpc,
  PluginCapability_Service_Type as Service,
} from "@raft2kube/proto/gen/csi.ts";
import { type Channel, client, type RpcClient } from "@raft2kube/rpc/client.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { DRIVER_INFO_TIMEOUT_MS } from "./limits.ts";

/** Identity and capabilities of a driver. */
export interface DriverIdentity {
  name: string;
  controller: RpcClient<ControllerMethods>;
  /** Values of ControllerServiceCapability_RPC_Type. */
  capabilities: ReadonlySet<number>;
  /** Whether its volumes are reachable from some nodes only. */
  hasTopology: boolean;
  /** Topology segments of the driver's node. */
  topology: Record<string, string>;
}

/**
 * Reads a driver's identity and capabilities; without a controller service it has none. Throws when
 * the driver is not ready.
 */
export async function identifyDriver(channel: Channel): Promise<DriverIdentity> {
  const options = { timeout_ms: DRIVER_INFO_TIMEOUT_MS };
  const identity = client(channel, Identity);
  const { ready } = await identity.probe({}, options);
  if (ready?.value === false) throw new CodedError("DriverNotReady", "the driver is not ready");
  const { name } = await identity.getPluginInfo({}, options);
  const plugin = await identity.getPluginCapabilities({}, options);
  const services = new Set(plugin.capabilities.map(({ service }) => service?.type));
  const controller = client(channel, Controller);
  const hasController = services.has(Service.CONTROLLER_SERVICE);
  const { capabilities: rpcs } = hasController
    ? await controller.controllerGetCapabilities({}, options)
    : { capabilities: [] };
  const capabilities = new Set<number>(rpcs.map(({ rpc }) => rpc?.type ?? Rpc.UNKNOWN));
  const hasTopology = services.has(Service.VOLUME_ACCESSIBILITY_CONSTRAINTS);
  const node = hasTopology ? await client(channel, Node).nodeGetInfo({}, options) : undefined;
  const topology = node?.accessibleTopology?.segments ?? {};
  return { name, controller, capabilities, hasTopology, topology };
}

/** Throws if a driver does not create volumes. */
export function assertProvisions({ name, capabilities }: DriverIdentity): void {
  if (capabilities.has(Rpc.CREATE_DELETE_VOLUME)) return;
  throw new CodedError("NoProvisioning", `driver ${name} does not create volumes`);
}
