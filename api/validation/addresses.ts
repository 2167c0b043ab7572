import { isIP } from "node:net";
import { invalid, type FieldError } from "../errors.ts";
import { dnsSubdomain } from "./names.ts";

const MAX_PREFIX: Readonly<Record<number, number>> = { 4: 32, 6: 128 };

/** An address of either family. */
export function validateIp(text: string, path: string): FieldError[] {
  if (isIP(text) !== 0) return [];
  return [invalid(path, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")];
}

/** Where a load balancer is reached: an address, or a name that is none. */
export function validateBalancerPlace(ip: string, hostname: string, path: string): FieldError[] {
  const errors = ip === "" ? [] : validateIp(ip, `${path}.ip`);
  if (hostname === "") return errors;
  errors.push(...dnsSubdomain(hostname).map((each) =>
    invalid(`${path}.hostname`, hostname, each)));
  if (isIP(hostname) !== 0) {
    errors.push(invalid(`${path}.hostname`, hostname,
      "must be a DNS name, not an IP address"));
  }
  return errors;
}

/** Whether a text is a range such as `10.0.0.0/8`. */
export function isCidr(text: string): boolean {
  const [address = "", bits = "", ...rest] = text.split("/");
  const limit = MAX_PREFIX[isIP(address)];
  return limit !== undefined && rest.length === 0 && /^\d+$/.test(bits) && Number(bits) <= limit;
}

/** A range of either family. */
export function validateCidr(text: string, path: string): FieldError[] {
  if (isCidr(text)) return [];
  return [invalid(path, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")];
}
