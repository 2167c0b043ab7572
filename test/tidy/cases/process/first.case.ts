import { recordPid } from "./record-pid.ts";

recordPid("first");
