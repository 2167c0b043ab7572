import { check, libc } from "../syscall/libc.ts";

/** Makes a descriptor lead where another one does (dup2); programs that are started inherit it. */
export function pointDescriptor(descriptor: number, to: number): void {
  check("dup3", libc.dup3(to, descriptor, 0), String(descriptor));
}
