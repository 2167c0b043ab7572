import { printable } from "@raft2kube/std/printable.ts";
import { options, type VNode } from "preact";

const shown = (child: unknown): unknown =>
  typeof child === "string" ? printable(child) : Array.isArray(child) ? child.map(shown) : child;

/** Makes all text of the page printable, whichever part shows it. */
export function showUnseen(): void {
  options.vnode = ({ props }: VNode) => {
    const given = props as Record<string, unknown>;
    for (const key of ["children", "aria-label"]) if (given[key]) given[key] = shown(given[key]);
  };
}
