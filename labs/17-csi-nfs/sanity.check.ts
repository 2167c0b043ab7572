import { writeFileSync } from "node:fs";
import { requireSubDir } from "@raft2kube/csi/drivers/nfs/sub-dir.ts";
import { checkSanity } from "../csi-sanity.ts";
import { PARAMETERS, withDriver } from "./driver.ts";

checkSanity(withDriver, (driver) => {
  requireSubDir("subDir", "csi-sanity");
  const parameters = driver.path("parameters.json");
  writeFileSync(parameters, JSON.stringify(PARAMETERS));
  return [`-csi.testvolumeparameters=${parameters}`];
});
