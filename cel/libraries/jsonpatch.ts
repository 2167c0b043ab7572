/** Keys in JSON pointers: `"/metadata/labels/" + jsonpatch.escapeKey("example.com/a")`. */
import type { Library } from "../library.ts";
import { STRING } from "../types.ts";
import { call, functions } from "./declare.ts";

export const jsonPatchLibrary: Library = {
  name: "kubernetes.jsonpatch",
  functions: functions({
    "jsonpatch.escapeKey": [
      call("string_jsonpatch_escapeKey_string", [STRING], STRING, (key: string) =>
        key.replaceAll("~", "~0").replaceAll("/", "~1"),
      ),
    ],
  }),
};
