" :make runs `anetc check` on the current file and fills the quickfix list.
if exists('b:did_ftplugin')
  finish
endif
let b:did_ftplugin = 1

setlocal comments=:# commentstring=#\ %s
setlocal makeprg=anetc\ check\ --format\ concise\ %:S
setlocal errorformat=%f:%l:%c:\ %trror[A%n]:\ %m,%f:%l:%c:\ %tarning[A%n]:\ %m

let b:undo_ftplugin = 'setlocal comments< commentstring< makeprg< errorformat<'
