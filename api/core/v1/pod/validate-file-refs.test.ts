import { expect, test } from "vitest";
import { messageOfField } from "../../../errors.ts";
import { validateFileRefs } from "./validate-file-refs.ts";

const VOLUMES = [
  { name: "e", emptyDir: {} },
  { name: "h", hostPath: { path: "/" } },
];

test.each([
  [{ key: "A", volumeName: "e", path: "env/file" }, []],
  [{ key: "A", volumeName: "e", path: "../file" }, ["path: Invalid value"]],
  [{ key: "", volumeName: "e", path: "" }, ["key: Required value", "path: Required value"]],
  [{ key: "A=B", volumeName: "e", path: "file" }, ["key: Invalid value"]],
  [{ key: "A", volumeName: "x", path: "file" }, ["volumeName: Not found"]],
  [{ key: "A", volumeName: "h", path: "file" }, ["volumeName: Invalid value"]],
])("a variable of a file names a key, and a file of an emptyDir: %j", (fileKeyRef, expected) => {
  const env = [{ name: "A", valueFrom: { fileKeyRef } }];
  const found = validateFileRefs({ containers: [{ name: "c", env }], volumes: VOLUMES }, "spec");
  const at = "spec.containers[0].env[0].valueFrom.fileKeyRef.";
  expect(found.map((each) => messageOfField(each).replace(at, ""))).toEqual(
    expected.map((each) => expect.stringContaining(each)),
  );
});
