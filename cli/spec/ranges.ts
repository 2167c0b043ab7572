import ipaddr from "ipaddr.js";

/** Whether two IPv4 ranges, or addresses, have an address in common. */
export function overlaps(a: string, b: string): boolean {
  const [first, second] = [a, b].map((text) => {
    return ipaddr.parseCIDR(text.includes("/") ? text : `${text}/32`);
  }) as [[ipaddr.IPv4, number], [ipaddr.IPv4, number]];
  return first[0].match(second[0], Math.min(first[1], second[1]));
}
