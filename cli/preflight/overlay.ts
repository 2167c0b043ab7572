import type { OverlayBackend } from "../spec/config.ts";
import { tryInNamespaces } from "./command.ts";

/** The back end of a new cluster's overlay: VXLAN unless the kernel lacks it, else routes alone. */
export async function overlayHere(): Promise<OverlayBackend> {
  const answer = await tryInNamespaces("ip link add r2k0 type vxlan id 1 dstport 8472");
  const isLacking = !answer.succeeded && /unknown device|not supported/i.test(answer.output);
  return isLacking ? "host-gw" : "vxlan";
}
