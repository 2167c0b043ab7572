import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import { type AdmissionPlugin, concerns, refusal } from "../plugin.ts";

/**
 * A Service gets no external address that it does not have already. Upstream's answer to
 * CVE-2020-8554: such an address takes over what pods and nodes send to it.
 */
export const denyServiceExternalIPs = (): AdmissionPlugin => ({
  name: "DenyServiceExternalIPs",
  validate(request) {
    if (request.operation !== "CREATE" && request.operation !== "UPDATE") return;
    if (!concerns(request, "", "services")) return;
    const known = externalIps(request.old as Service | undefined);
    if (externalIps(request.object as Service).every((ip) => known.includes(ip))) return;
    throw refusal(request, "Use of external IPs is denied by admission control");
  },
});

const externalIps = (service: Service | undefined) => service?.spec?.externalIPs ?? [];
