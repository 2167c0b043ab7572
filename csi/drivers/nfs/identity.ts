import {
  PluginCapability_VolumeExpansion_Type as Expansion,
  Identity,
  type IdentityMethods,
  PluginCapability_Service_Type as Service,
} from "@raft2kube/proto/gen/csi.ts";
import type { ServedService } from "@raft2kube/rpc/routes.ts";
import { type Handlers, serve } from "@raft2kube/rpc/server.ts";
import { DRIVER_VERSION } from "../../lib/serve-driver.ts";

/** The Identity service: the plugin's name, and which other services it has. */
export function identityService(driverName: string): ServedService {
  const handlers: Handlers<IdentityMethods> = {
    getPluginInfo: () => ({ name: driverName, vendorVersion: DRIVER_VERSION }),
    getPluginCapabilities: () => ({
      capabilities: [
        { service: { type: Service.CONTROLLER_SERVICE } },
        { volumeExpansion: { type: Expansion.ONLINE } },
      ],
    }),
    // The driver has no state of its own, and no server that all volumes are of.
    probe: () => ({ ready: { value: true } }),
  };
  return serve(Identity, handlers);
}
