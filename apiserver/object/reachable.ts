import { isIP } from "node:net";
import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import ipaddr from "ipaddr.js";

/**
 * Returns an address that an object names, for a connection to it. Endpoints and pods' addresses
 * are written by users: they must not lead to this machine's own loopback or to its neighbours'
 * metadata services (CVE-2020-8561 kind). Throws 400.
 */
export function reachable(host: string): string {
  if (isIP(host) === 0) throw badRequest(`address ${JSON.stringify(host)} is no IP address`);
  const range = ipaddr.process(host).range();
  if (range === "loopback" || range === "linkLocal" || range === "unspecified") {
    throw badRequest("address not allowed");
  }
  return host;
}
