-- filter.lua: what pandoc does not know of this book: an identifier in the prose leads to its
-- definition, the name of a file to its page, and a chapter to its own page. make_site.py writes the
-- tables and names them in the metadata.
local names, files, pages, up, step, folder

local function text(meta, name)
  return meta[name] and pandoc.utils.stringify(meta[name]) or ""
end

local function take(meta)
  local tables = dofile(text(meta, "tables"))
  names, files, pages = tables.names, tables.files, tables.pages
  up, step, folder = text(meta, "up"), text(meta, "step"), text(meta, "folder")
end

-- `rootfs_attach` or `rootfs_attach()`; `step03-mounts/rootfs.c`, in its own chapter `rootfs.c`
local function code(element)
  local word = element.text:gsub("%(%)$", "")
  local place = names[word] or files[word] or files[step .. "/" .. word]
  return place and pandoc.Link({ element }, up .. place, "", { class = "name" })
end

local function link(element)
  element.content = element.content:walk({ Link = function(inner) return inner.content end })
  local target, rest = element.target:match("^([^#]*)(.*)$")
  local place = not target:match("^%a+:") and pages[folder .. target]
  if place then element.target = up .. place .. rest end
  return element
end

return { { Meta = take }, { Code = code }, { Link = link } }
