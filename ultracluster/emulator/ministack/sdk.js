// The AWS SDK's clients in emulated functions: each call is sent to the emulator as it is.
const http = require("http");
module.exports = (service, name, operations) => {
  const call = (operation, input) => new Promise((resolve, reject) => {
    const env = process.env;
    const to = new URL(env.AWS_ENDPOINT_URL);
    const scope = [env.AWS_ACCESS_KEY_ID, "20260101", env.AWS_REGION, service, "aws4_request"];
    const body = JSON.stringify(input || {});
    const request = http.request({
      hostname: to.hostname, port: to.port, method: "POST", path: "/",
      headers: {
        "content-type": "application/x-amz-json-1.1",
        "content-length": Buffer.byteLength(body),
        "x-amz-target": `EmulatorSdk.${service}:${operation}`,
        ...(env.AWS_SESSION_TOKEN && { "x-amz-security-token": env.AWS_SESSION_TOKEN }),
        authorization: `AWS4-HMAC-SHA256 Credential=${scope.join("/")}, ` +
          "SignedHeaders=host, Signature=emulated",
      },
    }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => {
        const answer = JSON.parse(Buffer.concat(chunks).toString() || "{}");
        if (response.statusCode < 400) return resolve(answer);
        const error = new Error(answer.message);
        error.name = error.code = error.Code = answer.__type;
        reject(error);
      });
    });
    request.on("error", reject);
    request.end(body);
  });
  class Client { constructor() { this.config = {}; } send(command) { return command.run(); } }
  const exported = { __esModule: true, [name]: class extends Client {}, [`${name}Client`]: Client };
  for (const operation of operations) {
    exported[`${operation}Command`] = class {
      constructor(input) { this.input = input; }
      run() { return call(operation, this.input); }
    };
    exported[name].prototype[operation[0].toLowerCase() + operation.slice(1)] =
      (input) => call(operation, input);
  }
  return exported;
};
