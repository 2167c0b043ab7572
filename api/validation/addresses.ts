import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { type FieldError, invalid } from "../errors.ts";
import { cidrProblem, ipProblem } from "./canonical-addresses.ts";
import { invalidBy } from "./checks.ts";
import { dnsSubdomain } from "./names.ts";

/** An address of either family; the same one could be spelled in both otherwise. */
export function validateIp(text: string, path: string): FieldError[] {
  const wrong = ipProblem(text);
  return wrong === undefined ? [] : [invalid(path, text, wrong)];
}

const SPECIAL: readonly (readonly [cidrs: readonly string[], text: string])[] = [
  [["0.0.0.0/32", "::/128"], "may not be unspecified (0.0.0.0 or ::)"],
  [["127.0.0.0/8", "::1/128"], "may not be in the loopback range (127.0.0.0/8, ::1/128)"],
  [
    ["169.254.0.0/16", "fe80::/10"],
    "may not be in the link-local range (169.254.0.0/16, fe80::/10)",
  ],
  [
    ["224.0.0.0/24", "ff02::/16"],
    "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
  ],
];

/**
 * An address to which, or in whose place, traffic of others may be sent: it is none of the node
 * that handles the traffic (CVE-2021-25737), however it is spelled.
 */
export function validateNonSpecialIp(text: string, path: string): FieldError[] {
  const wrong = validateIp(text, path);
  if (wrong.length > 0) return wrong;
  const address = ipaddr.process(text);
  const within = (cidr: string) => {
    const [network, bits] = ipaddr.parseCIDR(cidr);
    return network.kind() === address.kind() && address.match(network, bits);
  };
  return SPECIAL.filter(([cidrs]) => cidrs.some(within)).map(([, message]) =>
    invalid(path, text, message),
  );
}

/** Checks a load balancer's address, or its host name, which must not be an address. */
export function validateBalancerPlace(ip: string, hostname: string, path: string): FieldError[] {
  const errors = ip === "" ? [] : validateIp(ip, `${path}.ip`);
  if (hostname === "") return errors;
  errors.push(...invalidBy(dnsSubdomain, `${path}.hostname`, hostname));
  if (isIP(hostname) !== 0) {
    errors.push(invalid(`${path}.hostname`, hostname, "must be a DNS name, not an IP address"));
  }
  return errors;
}

/** A range of either family. */
export function validateCidr(text: string, path: string): FieldError[] {
  const wrong = cidrProblem(text);
  return wrong === undefined ? [] : [invalid(path, text, wrong)];
}
