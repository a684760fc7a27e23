// A comparison as the end of a link: JSON, deflated, base64url. It stands in the fragment, which no browser sends.
const UNPACKED_LIMIT = 20_000_000;   // bytes: a short text can unpack to a thousand times its length

async function packLink(object) {
  const json = new Blob([JSON.stringify(object)]);
  const packed = await new Response(json.stream().pipeThrough(new CompressionStream('deflate-raw'))).arrayBuffer();
  let binary = '';
  for (const byte of new Uint8Array(packed)) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

async function unpackLink(text) {
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    const packed = new Blob([Uint8Array.from(binary, (letter) => letter.charCodeAt(0))]);
    const reader = packed.stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader();
    const pieces = [];
    let size = 0;
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      pieces.push(piece.value);
      size += piece.value.length;
      if (size > UNPACKED_LIMIT) throw new RangeError('too large');
    }
    return JSON.parse(await new Blob(pieces).text());
  } catch (error) {
    const message = 'This link holds no whole comparison: it was cut or changed on its way. Ask for it again.';
    throw new Error(message, {cause: error});
  }
}
