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
  // lab:16 begin identity
  const handlers: Handlers<IdentityMethods> = {
    getPluginInfo: () => ({ name: driverName, vendorVersion: DRIVER_VERSION }),
    getPluginCapabilities: () => ({
      capabilities: [
        { service: { type: Service.CONTROLLER_SERVICE } },
        { service: { type: Service.GROUP_CONTROLLER_SERVICE } },
        { service: { type: Service.VOLUME_ACCESSIBILITY_CONSTRAINTS } },
        { volumeExpansion: { type: Expansion.ONLINE } },
      ],
    }),
    // The socket is bound only after the state was read, so answering at all means being ready.
    probe: () => ({ ready: { value: true } }),
  };
  return serve(Identity, handlers);
  // lab:16 end
}
