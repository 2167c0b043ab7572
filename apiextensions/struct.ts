/** The structure of custom resources for field ownership and decoding. */
import type { Struct } from "@raft2kube/api/schema.ts";
import type { Structural } from "./structural.ts";

/** The structure that a schema describes; `name` is shown in errors: `stable.example.com/v1.CronTab`. */
export function structFrom(_schema: Structural | undefined, _name: string): Struct {
  throw new Error("not written yet");
}
